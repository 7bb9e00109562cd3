from . import Api

current_api: Api
