#!/bin/sh
# Messages: replies, edits, deletions, reactions, pins, history in pages.
. "$(dirname "$0")/lib.sh"

person Bob; BOB=$ID AS_BOB=$TOKEN
person Ada; AS_ADA=$TOKEN
expect 201 POST /v1/conversations "{\"kind\":\"group\",\"name\":\"crew\",\"members\":[\"$BOB\"]}"
GROUP=/v1/conversations/$(field id)

say "Ada asks, Bob replies"
expect 201 POST "$GROUP/messages" '{"body":"Who is on watch?"}'
ASKED=$(field id)
TOKEN=$AS_BOB
expect 201 POST "$GROUP/messages" "{\"body\":\"I am.\",\"reply_to\":\"$ASKED\"}"
REPLY=$(field id)

say "Users may edit their own messages, and no others"
expect 200 PATCH "$GROUP/messages/$REPLY" '{"body":"I am, until midnight."}'
has '"edited_at":"20'
expect 403 PATCH "$GROUP/messages/$ASKED" '{"body":"Who cares?"}'

say "Reactions are a set: adding one twice has no effect"
THUMB=%F0%9F%91%8D
expect 200 PUT "$GROUP/messages/$ASKED/reactions/$THUMB"
expect 200 PUT "$GROUP/messages/$ASKED/reactions/$THUMB"
TOKEN=$AS_ADA
expect 200 PUT "$GROUP/messages/$ASKED/reactions/$THUMB"
expect 200 GET "$GROUP/messages/$ASKED"
has '"count":2,"mine":true'

say "Admins pin messages; pinned messages have their own list"
expect 200 PUT "$GROUP/messages/$REPLY/pin"
expect 200 GET "$GROUP/pins"
has "$REPLY"

say "A deleted message becomes a tombstone: it keeps its place and loses its text"
TOKEN=$AS_BOB
expect 204 DELETE "$GROUP/messages/$REPLY"
expect 200 GET "$GROUP/messages"
has "$REPLY"
lacks midnight
expect 409 PATCH "$GROUP/messages/$REPLY" '{"body":"Still here?"}'

say "History is read in pages, from either end or around a seq"
expect 200 GET "$GROUP/messages?limit=1"
NEXT=$(field next)
expect 200 GET "$GROUP/messages?limit=1&before=$NEXT"
has "$ASKED"
expect 200 GET "$GROUP/messages?around=4&limit=2"
