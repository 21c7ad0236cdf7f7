#!/bin/sh
# What is not kept: stealth messages, typing, presence.
. "$(dirname "$0")/lib.sh"

person Ada; ADA=$ID AS_ADA=$TOKEN
person Bob; AS_BOB=$TOKEN
expect 201 POST /v1/conversations "{\"kind\":\"group\",\"name\":\"crew\",\"members\":[\"$ADA\"]}"
GROUP=/v1/conversations/$(field id)

say "Bob sends something that is gone in a minute, and nowhere on a disk"
expect 201 POST "$GROUP/stealth" '{"body":"The rum is in the third barrel.","ttl_seconds":60}'
PSST=$(field id)
TOKEN=$AS_ADA
expect 200 GET "$GROUP/stealth"
has 'third barrel'
expect 200 GET "$GROUP/messages"
lacks 'third barrel'

say "Only its author takes it back"
expect 403 DELETE "$GROUP/stealth/$PSST"
TOKEN=$AS_BOB
expect 204 DELETE "$GROUP/stealth/$PSST"
expect 200 GET "$GROUP/stealth"
lacks 'third barrel'

say "It lasts a day at most"
expect 422 POST "$GROUP/stealth" '{"body":"For ever.","ttl_seconds":86401}'

say "Who has no stream says by HTTP that he is writing, and asks who is there"
expect 204 PUT "$GROUP/typing" '{"on":true}'
expect 200 GET "$GROUP/presence"
has '"state":"offline"'
