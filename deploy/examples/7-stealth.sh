#!/bin/sh
# What is not stored: stealth messages, typing, presence.
. "$(dirname "$0")/lib.sh"

person Ada; ADA=$ID AS_ADA=$TOKEN
person Bob; AS_BOB=$TOKEN
expect 201 POST /v1/conversations "{\"kind\":\"group\",\"name\":\"crew\",\"members\":[\"$ADA\"]}"
GROUP=/v1/conversations/$(field id)

say "Bob sends a message that expires in a minute and is never on a disk"
expect 201 POST "$GROUP/stealth" '{"body":"The rum is in the third barrel.","ttl_seconds":60}'
PSST=$(field id)
TOKEN=$AS_ADA
expect 200 GET "$GROUP/stealth"
has 'third barrel'
expect 200 GET "$GROUP/messages"
lacks 'third barrel'

say "Only its author may withdraw it"
expect 403 DELETE "$GROUP/stealth/$PSST"
TOKEN=$AS_BOB
expect 204 DELETE "$GROUP/stealth/$PSST"
expect 200 GET "$GROUP/stealth"
lacks 'third barrel'

say "It lasts at most a day"
expect 422 POST "$GROUP/stealth" '{"body":"For ever.","ttl_seconds":86401}'

say "Clients without a socket send typing and read presence over HTTP"
expect 204 PUT "$GROUP/typing" '{"on":true}'
expect 200 GET "$GROUP/presence"
has '"state":"offline"'
