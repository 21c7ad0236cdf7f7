#!/bin/sh
# Groups: roles, names, members, and the transfer of ownership.
. "$(dirname "$0")/lib.sh"

say "Ada makes a group with Bob and Cleo"
person Bob; BOB=$ID AS_BOB=$TOKEN
person Cleo; CLEO=$ID AS_CLEO=$TOKEN
person Ada; ADA=$ID AS_ADA=$TOKEN
expect 201 POST /v1/conversations "{\"kind\":\"group\",\"name\":\"crew\",\"members\":[\"$BOB\",\"$CLEO\"]}"
GROUP=/v1/conversations/$(field id)

say "A member may not rename it; an admin may"
TOKEN=$AS_BOB
expect 403 PATCH "$GROUP" '{"name":"pirates"}'
TOKEN=$AS_ADA
expect 200 PATCH "$GROUP/members/$BOB" '{"role":"admin"}'
TOKEN=$AS_BOB
expect 200 PATCH "$GROUP" '{"name":"The crew","topic":"Sails and ropes"}'
has '"topic":"Sails and ropes"'

say "A reader may read but not send"
expect 200 PATCH "$GROUP/members/$CLEO" '{"role":"reader"}'
TOKEN=$AS_CLEO
expect 200 GET "$GROUP/messages"
expect 403 POST "$GROUP/messages" '{"body":"Hello?"}'

say "Ada transfers her ownership to Bob and becomes an admin"
TOKEN=$AS_ADA
expect 200 PATCH "$GROUP/members/$BOB" '{"role":"owner"}'
expect 200 GET "$GROUP"
has '"role":"admin"'

say "Bob leaves; a group always has an owner, so Ada becomes one again"
TOKEN=$AS_BOB
expect 204 DELETE "$GROUP/members/$BOB"
expect 404 GET "$GROUP"
TOKEN=$AS_ADA
expect 200 GET "$GROUP"
has '"role":"owner"'
expect 200 GET "$GROUP/members"
lacks "$BOB"
