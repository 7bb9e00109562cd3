from apispec import BasePlugin

class FlaskPlugin(BasePlugin):
    @staticmethod
    def flaskpath2openapi(path: str) -> str: ...
