package contract

import "ping/internal/e2e/harness"

const (
	crew  = "/v1/conversations/$crew"
	first = crew + "/messages/$first"
	thumb = first + "/reactions/%F0%9F%91%8D"
)

// scenario calls every operation of the contract, in an order in which each
// succeeds and has something to show.
var scenario = []step{
	{name: "register", what: "POST /v1/auth/register", body: `{"email":"ada@example.org","password":"` + harness.Password + `","display_name":"Ada"}`, makes: "ada"},
	{name: "register.validation", what: "POST /v1/auth/register", body: `{"email":7,"display_name":"Ada"}`},
	{name: "register.email_taken", what: "POST /v1/auth/register", body: `{"email":"ada@example.org","password":"` + harness.Password + `","display_name":"Ada"}`},
	{what: "POST /v1/auth/register", body: `{"email":"bob@example.org","password":"` + harness.Password + `","display_name":"Bob"}`, makes: "bob"},
	{what: "POST /v1/auth/register", body: `{"email":"cem@example.org","password":"` + harness.Password + `","display_name":"Cem"}`, makes: "cem"},
	{name: "login", what: "POST /v1/auth/login", body: `{"email":"ada@example.org","password":"` + harness.Password + `"}`, makes: "ada"},
	{name: "login.invalid_credentials", what: "POST /v1/auth/login", body: `{"email":"ada@example.org","password":"another"}`},
	{name: "refresh", what: "POST /v1/auth/refresh", body: `{"refresh_token":"$refresh"}`, makes: "ada"},
	{name: "create-ticket", by: "ada", what: "POST /v1/auth/ticket"},
	{name: "open-stream", by: "ada", what: "GET /v1/stream", header: upgrade},

	{name: "change-profile", by: "ada", what: "PATCH /v1/users/me", body: `{"handle":"ada","bio":"Counts.","avatar_url":"https://example.org/ada.png"}`},
	{what: "PATCH /v1/users/me", by: "bob", body: `{"handle":"bob"}`},
	{name: "change-profile.handle_taken", by: "cem", what: "PATCH /v1/users/me", body: `{"handle":"ada"}`},
	{name: "get-me", by: "ada", what: "GET /v1/users/me"},
	{name: "get-me.unauthenticated", what: "GET /v1/users/me"},
	{name: "get-user", by: "bob", what: "GET /v1/users/$ada"},
	{name: "find-users", by: "bob", what: "GET /v1/users?query=a"},
	{name: "block-user", by: "ada", what: "PUT /v1/users/me/blocks/$cem"},
	{name: "list-blocks", by: "ada", what: "GET /v1/users/me/blocks"},
	{name: "unblock-user", by: "ada", what: "DELETE /v1/users/me/blocks/$cem"},

	{name: "create-conversation", by: "ada", what: "POST /v1/conversations", body: `{"kind":"group","name":"crew","members":["$bob"]}`, makes: "crew"},
	{name: "create-conversation.direct", by: "ada", what: "POST /v1/conversations", body: `{"kind":"direct","members":["$bob"]}`},
	{name: "create-conversation.direct_again", by: "bob", what: "POST /v1/conversations", body: `{"kind":"direct","members":["$ada"]}`},
	{name: "get-conversation.conversation_not_found", by: "cem", what: "GET " + crew},
	{name: "rename-conversation", by: "ada", what: "PATCH " + crew, body: `{"name":"The crew","topic":"Sails and ropes"}`},
	{name: "rename-conversation.forbidden", by: "bob", what: "PATCH " + crew, body: `{"name":"Bob's crew"}`},
	{name: "add-member", by: "ada", what: "POST " + crew + "/members", body: `{"user_id":"$cem"}`},
	{name: "add-member.again", by: "ada", what: "POST " + crew + "/members", body: `{"user_id":"$cem"}`},
	{name: "change-role", by: "ada", what: "PATCH " + crew + "/members/$cem", body: `{"role":"reader"}`},
	{name: "change-role.last_owner", by: "ada", what: "PATCH " + crew + "/members/$ada", body: `{"role":"member"}`},
	{name: "list-members", by: "bob", what: "GET " + crew + "/members"},

	{name: "send-message", by: "ada", what: "POST " + crew + "/messages", body: `{"body":"Good morning, @bob!"}`, makes: "first", header: []string{"Idempotency-Key", "1"}},
	{name: "send-message.replayed", by: "ada", what: "POST " + crew + "/messages", body: `{"body":"Good morning, @bob!"}`, header: []string{"Idempotency-Key", "1"}},
	{name: "send-message.idempotency_key_reused", by: "ada", what: "POST " + crew + "/messages", body: `{"body":"Good night!"}`, header: []string{"Idempotency-Key", "1"}},
	{name: "send-message.body_empty", by: "ada", what: "POST " + crew + "/messages", body: `{"body":" "}`},
	{name: "send-message.forbidden", by: "cem", what: "POST " + crew + "/messages", body: `{"body":"I only read."}`},
	{what: "POST " + crew + "/messages", by: "bob", body: `{"body":"Good morning to the whole crew!","reply_to":"$first"}`, makes: "second"},
	{name: "edit-message", by: "ada", what: "PATCH " + first, body: `{"body":"Good morning, @bob and crew!"}`},
	{name: "add-reaction", by: "bob", what: "PUT " + thumb},
	{name: "pin-message", by: "ada", what: "PUT " + first + "/pin"},
	{what: "POST " + crew + "/messages", by: "ada", body: `{"body":"All hands on deck, @bob!"}`},
	{name: "get-message", by: "bob", what: "GET " + first},
	{name: "list-messages", by: "ada", what: "GET " + crew + "/messages?limit=2"},
	{name: "list-messages.cursor_invalid", by: "ada", what: "GET " + crew + "/messages?before=made-up"},
	{name: "list-pins", by: "ada", what: "GET " + crew + "/pins"},
	{name: "search", by: "ada", what: "GET /v1/search?q=crew"},
	{name: "get-unread", by: "bob", what: "GET /v1/users/me/unread"},
	{name: "get-conversation", by: "bob", what: "GET " + crew},
	{name: "list-conversations", by: "bob", what: "GET /v1/conversations"},
	{name: "advance-read", by: "bob", what: "PUT " + crew + "/read", body: `{"seq":12}`},

	{name: "remove-reaction", by: "bob", what: "DELETE " + thumb},
	{name: "unpin-message", by: "ada", what: "DELETE " + first + "/pin"},
	{name: "delete-message", by: "bob", what: "DELETE " + crew + "/messages/$second"},
	{name: "get-message.deleted", by: "ada", what: "GET " + crew + "/messages/$second"},
	{name: "edit-message.message_deleted", by: "bob", what: "PATCH " + crew + "/messages/$second", body: `{"body":"Still here?"}`},
	{name: "remove-member", by: "ada", what: "DELETE " + crew + "/members/$cem"},
	{name: "list-events", by: "ada", what: "GET " + crew + "/events"},
	{name: "export-user", by: "ada", what: "GET /v1/users/me/export"},

	{name: "send-stealth", by: "ada", what: "POST " + crew + "/stealth", body: `{"body":"Meet me at nine.","ttl_seconds":3600}`, makes: "psst", header: []string{"Idempotency-Key", "s"}},
	{name: "send-stealth.replayed", by: "ada", what: "POST " + crew + "/stealth", body: `{"body":"Meet me at nine.","ttl_seconds":3600}`, header: []string{"Idempotency-Key", "s"}},
	{name: "send-stealth.idempotency_key_reused", by: "ada", what: "POST " + crew + "/stealth", body: `{"body":"Meet me at ten.","ttl_seconds":3600}`, header: []string{"Idempotency-Key", "s"}},
	{name: "send-stealth.validation", by: "ada", what: "POST " + crew + "/stealth", body: `{"body":"For ever.","ttl_seconds":86401}`},
	{name: "list-stealth", by: "bob", what: "GET " + crew + "/stealth"},
	{name: "withdraw-stealth.forbidden", by: "bob", what: "DELETE " + crew + "/stealth/$psst"},
	{name: "withdraw-stealth", by: "ada", what: "DELETE " + crew + "/stealth/$psst"},
	{name: "set-typing", by: "bob", what: "PUT " + crew + "/typing", body: `{"on":true}`},
	{name: "list-presence", by: "bob", what: "GET " + crew + "/presence"},

	{name: "logout", by: "cem", what: "POST /v1/auth/logout"},
	{name: "erase-user.invalid_credentials", by: "bob", what: "DELETE /v1/users/me", body: `{"password":"another"}`},
	{name: "erase-user", by: "bob", what: "DELETE /v1/users/me", body: `{"password":"` + harness.Password + `"}`},
}
