#!/bin/sh
# Unread counts, mentions, read markers, and the total for a badge.
. "$(dirname "$0")/lib.sh"

person Bob; BOB=$ID AS_BOB=$TOKEN
HANDLE=bob_$RUN
expect 200 PATCH /v1/users/me "{\"handle\":\"$HANDLE\"}"
person Ada; AS_ADA=$TOKEN
expect 201 POST /v1/conversations "{\"kind\":\"direct\",\"members\":[\"$BOB\"]}"
TALK=/v1/conversations/$(field id)

say "Ada sends three messages; one mentions Bob by handle"
expect 201 POST "$TALK/messages" '{"body":"Good morning!"}'
expect 201 POST "$TALK/messages" "{\"body\":\"@$HANDLE, are you there?\"}"
has "$BOB"
expect 201 POST "$TALK/messages" '{"body":"The wind is turning."}'

say "Bob has three unread messages and one unread mention"
TOKEN=$AS_BOB
expect 200 GET /v1/conversations
has '"unread_count":3,"unread_mentions":1'
expect 200 GET /v1/users/me/unread
has '"unread_count":3,"unread_mentions":1,"conversations":1'

say "Bob reads up to the second; a read marker never moves back"
expect 200 PUT "$TALK/read" '{"seq":5}'
expect 200 PUT "$TALK/read" '{"seq":4}'
expect 200 GET /v1/users/me/unread
has '"unread_count":1,"unread_mentions":0,"conversations":1'

say "Sending a message marks everything before it as read"
expect 201 POST "$TALK/messages" '{"body":"I am here."}'
expect 200 GET /v1/users/me/unread
has '"unread_count":0,"unread_mentions":0,"conversations":0'
