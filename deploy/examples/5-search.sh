#!/bin/sh
# Search: in everything that the user may see now, in any language.
. "$(dirname "$0")/lib.sh"

person Bob; BOB=$ID AS_BOB=$TOKEN
person Ada; AS_ADA=$TOKEN
expect 201 POST /v1/conversations "{\"kind\":\"group\",\"name\":\"crew\",\"members\":[\"$BOB\"]}"
GROUP=$(field id)
expect 201 POST "/v1/conversations/$GROUP/messages" '{"body":"The compass is in the drawer."}'
COMPASS=$(field id)
expect 201 POST "/v1/conversations/$GROUP/messages" '{"body":"明日の天気はどうですか"}'

say "By words, the last of which may be incomplete; also in languages without spaces"
TOKEN=$AS_BOB
expect 200 GET '/v1/search?q=drawer%20comp'
has "$COMPASS"
expect 200 GET "/v1/search?q=%E5%A4%A9%E6%B0%97&conversation_id=$GROUP"
has 天気

say "Edits and deletions are reflected"
TOKEN=$AS_ADA
expect 200 PATCH "/v1/conversations/$GROUP/messages/$COMPASS" '{"body":"The sextant is in the drawer."}'
TOKEN=$AS_BOB
expect 200 GET '/v1/search?q=compass'
lacks "$COMPASS"

say "A former member finds nothing"
expect 204 DELETE "/v1/conversations/$GROUP/members/$BOB"
expect 200 GET '/v1/search?q=sextant'
lacks "$COMPASS"
