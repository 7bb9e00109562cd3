# A shell in which ./run works: Python with venv, git, and what the optional databases need to
# link against. The Python packages come from the lock through ./run, not from nixpkgs.
{ pkgs ? import <nixpkgs> { } }:

pkgs.mkShell {
  packages = [
    pkgs.python311
    pkgs.git
    pkgs.chromium
  ];

  # Wheels bring compiled modules that look for these libraries in the usual places.
  LD_LIBRARY_PATH = pkgs.lib.makeLibraryPath [ pkgs.stdenv.cc.cc.lib pkgs.zlib ];

  shellHook = ''
    export PYTHON=${pkgs.python311}/bin/python3
    echo "./run start serves App Runner, ./run test runs its tests."
  '';
}
