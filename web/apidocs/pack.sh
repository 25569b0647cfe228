#!/bin/sh
# Fetches the pinned releases of Swagger UI and Redoc from the npm registry and packs what of them is embedded.
# Redoc's one picture from another host is replaced by an empty one. Needs npm and node, only when a version changes:
# run it in this folder, then put the new sums into apidocs_test.go.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
here=$(pwd)
cd "$work"
for release in swagger-ui-dist@5.35.0 redoc@2.5.1; do
	mkdir "${release%@*}"
	tar xzf "$(npm pack --silent "$release")" -C "${release%@*}" --strip-components 1
done
sed 's|https://cdn.redoc.ly/redoc/logo-mini.svg|data:,|' redoc/bundles/redoc.standalone.js > redoc.standalone.js
cp swagger-ui-dist/swagger-ui-bundle.js swagger-ui-dist/swagger-ui.css .
{
	printf 'Swagger UI (swagger-ui-dist 5.35.0)\n\n'
	cat swagger-ui-dist/NOTICE swagger-ui-dist/LICENSE swagger-ui-dist/swagger-ui-bundle.js.LICENSE.txt
	printf '\n\nRedoc (redoc 2.5.1)\n\n'
	cat redoc/LICENSE redoc/bundles/redoc.standalone.js.LICENSE.txt
} > licences.txt
for file in redoc.standalone.js swagger-ui-bundle.js swagger-ui.css licences.txt; do
	node -e '
		const z = require("zlib"), fs = require("fs"), [from, to] = process.argv.slice(1), text = fs.readFileSync(from);
		fs.writeFileSync(to, z.brotliCompressSync(text, { params: { [z.constants.BROTLI_PARAM_QUALITY]: 11,
			[z.constants.BROTLI_PARAM_LGWIN]: 24, [z.constants.BROTLI_PARAM_SIZE_HINT]: text.length } }));
	' "$file" "$here/$file.br"
done
