# The Python package of App Runner, built with what nixpkgs has. Packages that nixpkgs lacks (the
# embedded broker and two of the offline documentation pages) are left out; a server built this
# way names its broker with BROKER_URL.
{ pkgs ? import <nixpkgs> { } }:

let
  python = pkgs.python311Packages;
in
python.buildPythonApplication {
  pname = "app-runner";
  version = "0.1.0";
  pyproject = true;

  src = pkgs.lib.cleanSourceWith {
    src = ./.;
    filter = path: type:
      !(builtins.elem (baseNameOf path) [ ".venv" "instance" ".git" "result" ]);
  };

  build-system = [ python.poetry-core ];

  dependencies = with python; [
    celery
    flask
    flask-babel
    flask-cors
    flask-jwt-extended
    flask-migrate
    flask-smorest
    flask-sqlalchemy
    flask-swagger-ui
    gunicorn
    invoke
    markdown
    marshmallow
    nh3
    packaging
    psycopg
    pymysql
    python-dotenv
    redis
    requests
    sqlalchemy
  ];

  # The lock decides about versions; nixpkgs may be older or newer.
  pythonRelaxDeps = true;
  pythonRemoveDeps = [ "flask-openapi3-redoc" "flask-openapi3-rapidoc" "poetry-core" ];

  # The tests start servers and a browser; run them with ./run test.
  doCheck = false;

  meta = {
    description = "Runs plugins as a REST API with forms, background tasks and result files";
    license = pkgs.lib.licenses.asl20;
    platforms = pkgs.lib.platforms.unix;
  };
}
