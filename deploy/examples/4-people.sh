#!/bin/sh
# People: profiles, search, and blocks.
. "$(dirname "$0")/lib.sh"

person Bob; BOB=$ID AS_BOB=$TOKEN
person Ada; ADA=$ID AS_ADA=$TOKEN
HANDLE=ada_$RUN

say "A profile; a handle belongs to one user"
expect 200 PATCH /v1/users/me "{\"handle\":\"$HANDLE\",\"bio\":\"Counts.\",\"avatar_url\":\"https://example.org/ada.png\"}"
expect 422 PATCH /v1/users/me '{"avatar_url":"http://example.org/ada.png"}'
has avatar_url_invalid
TOKEN=$AS_BOB
expect 409 PATCH /v1/users/me "{\"handle\":\"$HANDLE\"}"
expect 200 GET "/v1/users?query=@$HANDLE"
has '"bio":"Counts."'

say "An unchanged response is not sent twice"
expect 200 GET "/v1/users/$ADA"
ETAG=$(tr -d '\r' <"$WORK/headers" | sed -n 's/^[Ee][Tt]ag: //p')
curl -sS -o /dev/null -w '%{http_code}  with If-None-Match\n' -H "Authorization: Bearer $TOKEN" -H "If-None-Match: $ETAG" "$PING/v1/users/$ADA"

say "Bob writes to Ada; Ada blocks Bob, who can no longer send"
expect 201 POST /v1/conversations "{\"kind\":\"direct\",\"members\":[\"$ADA\"]}"
TALK=/v1/conversations/$(field id)
expect 201 POST "$TALK/messages" '{"body":"Buy my anchors!"}'
TOKEN=$AS_ADA
expect 204 PUT "/v1/users/me/blocks/$BOB"
expect 200 GET /v1/users/me/blocks
has "$BOB"
TOKEN=$AS_BOB
expect 403 POST "$TALK/messages" '{"body":"Cheap anchors!"}'
has '"code":"blocked"'

say "Both can still read the history; Ada unblocks Bob"
expect 200 GET "$TALK/messages"
TOKEN=$AS_ADA
expect 204 DELETE "/v1/users/me/blocks/$BOB"
TOKEN=$AS_BOB
expect 201 POST "$TALK/messages" '{"body":"Sorry."}'
