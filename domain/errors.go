package domain

// ErrorKind says what a caller can do about an Error. internal/web maps each kind to an HTTP status.
type ErrorKind int

const (
	_               ErrorKind = iota // an Error without a kind is a bug and is reported as an internal error
	InvalidRequest                   // the request is malformed
	Unauthenticated                  // the caller is not known
	Forbidden                        // the caller is known and may not do this
	NotFound                         // the target does not exist, or the caller may not know that it does
	Conflict                         // the current state does not allow this
	Unprocessable                    // the request is well-formed and a value in it is not acceptable
	TooMany                          // the caller exceeded a rate limit
	Unavailable                      // the service cannot do this now; a retry may succeed
	Internal                         // a fault of the service
)

// Error is a refusal that the caller can act on. Code is part of the public contract and never changes; Message tells
// the caller what to do.
type Error struct {
	Kind    ErrorKind
	Code    string
	Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// The refusals of the domain.
var (
	// ErrConversationNotFound also answers outsiders: they may not learn that the conversation exists.
	ErrConversationNotFound = &Error{NotFound, "conversation_not_found", "There is no such conversation, or you are not in it."}
	ErrUserNotFound         = &Error{NotFound, "user_not_found", "There is no such user; check the id."}
	ErrMessageNotFound      = &Error{NotFound, "message_not_found", "There is no such message in this conversation."}
	ErrMemberNotFound       = &Error{NotFound, "member_not_found", "This user is not a member of the conversation; add them first."}

	ErrForbidden  = &Error{Forbidden, "forbidden", "Your role in this conversation does not allow this."}
	ErrBlocked    = &Error{Forbidden, "blocked", "One of you has blocked the other; nothing can be sent."}
	ErrUserErased = &Error{Forbidden, "user_erased", "The other user's account was erased; nothing can be sent."}

	ErrHandleTaken    = &Error{Conflict, "handle_taken", "Another user has this handle; choose another one."}
	ErrMessageDeleted = &Error{Conflict, "message_deleted", "This message was deleted and can no longer be changed."}
	ErrLastOwner      = &Error{Conflict, "last_owner", "You are the only owner; make another member the owner, and you become an admin."}

	ErrBlockSelf        = &Error{Unprocessable, "block_self", "You cannot block yourself; name another user."}
	ErrTooManyBlocked   = &Error{Unprocessable, "too_many_blocked", "You have blocked 1,000 users already; unblock one of them first."}
	ErrDirectIsFixed    = &Error{Unprocessable, "direct_is_fixed", "A direct conversation cannot be changed; create a group instead."}
	ErrDirectWithSelf   = &Error{Unprocessable, "direct_with_self", "A direct conversation needs another user; name one that is not you."}
	ErrDirectNeedsOne   = &Error{Unprocessable, "direct_needs_one", "A direct conversation is with exactly one other user; name one member."}
	ErrConversationKind = &Error{Unprocessable, "conversation_kind", "kind must be direct or group."}
	ErrNameInvalid      = &Error{Unprocessable, "name_invalid", "A name has 1-100 characters after trimming, without control characters."}
	ErrNameOnDirect     = &Error{Unprocessable, "name_on_direct", "A direct conversation has no name; leave it out."}
	ErrTopicInvalid     = &Error{Unprocessable, "topic_invalid", "A topic has at most 500 characters, without NUL."}
	ErrHandleInvalid    = &Error{Unprocessable, "handle_invalid", "A handle has 2-32 characters out of a-z, 0-9 and _, and does not begin with _."}
	ErrBioInvalid       = &Error{Unprocessable, "bio_invalid", "A bio has at most 500 characters, without NUL."}
	ErrAvatarInvalid    = &Error{Unprocessable, "avatar_url_invalid", "avatar_url is an https URL of at most 2,000 bytes, or empty for none."}
	ErrTooManyReactions = &Error{Unprocessable, "too_many_reactions", "You have 20 reactions on this message, or changed them too often; remove one first."}
	ErrEmojiInvalid     = &Error{Unprocessable, "emoji_invalid", "A reaction is one emoji, percent-encoded in the path."}
	ErrTooManyMembers   = &Error{Unprocessable, "too_many_members", "A conversation is created with at most 1,000 members; add the others afterwards."}
	ErrRoleInvalid      = &Error{Unprocessable, "role_invalid", "role must be owner, admin, member or reader."}
	ErrBodyEmpty        = &Error{Unprocessable, "body_empty", "A message body has at least 1 character after trimming white space."}
	ErrBodyTooLong      = &Error{Unprocessable, "body_too_long", "A message body has at most 4,000 characters."}
	ErrBodyInvalid      = &Error{Unprocessable, "body_invalid", "A message body is valid Unicode without NUL characters."}
	ErrSeqInvalid       = &Error{Unprocessable, "seq_invalid", "seq must be at least 1 and at most the conversation's last."}
)
