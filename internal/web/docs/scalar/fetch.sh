#!/usr/bin/env bash
# fetch.sh downloads the API viewer that /docs shows, by npm, and checks it. To update it, change the version, run this
# script, and take over the checksum that it prints. Then look at /docs: the settings in ../start.js belong to the version.
set -euo pipefail
cd "$(dirname "$0")"
version=1.76.0
sha256=dcb027152bf20bf2f6dcd66e8f9fb073c1a9e274cf0b94b939a7d99ab8947060

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for package in "@scalar/api-reference@$version" @scalar/types@0.28.1; do
  npm pack --silent --pack-destination "$work" "$package" >/dev/null
done
tar xzf "$work"/scalar-api-reference-*.tgz -C "$work" package/dist/browser/standalone.js
tar xzf "$work"/scalar-types-*.tgz -C "$work" package/LICENSE # of the same repository
cp "$work/package/LICENSE" LICENSE
got=$(sha256sum <"$work/package/dist/browser/standalone.js" | cut -d' ' -f1)
if [ "$got" != "$sha256" ]; then
  echo "fetch.sh: the checksum of version $version is $got, not $sha256" >&2
  exit 1
fi
gzip -9 -n <"$work/package/dist/browser/standalone.js" >scalar.js.gz
