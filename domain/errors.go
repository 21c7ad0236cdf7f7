package domain

// Error is a refusal that the caller can act on. Code is part of the public
// contract and never changes; Message says what to do.
type Error struct {
	Code    string
	Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// The refusals of the domain. internal/web maps each code to its HTTP status
// in one table.
var (
	// Someone outside a conversation learns nothing of it, not even that it exists.
	ErrConversationNotFound = &Error{"conversation_not_found", "There is no such conversation, or you are not in it."}
	ErrUserNotFound         = &Error{"user_not_found", "There is no such user; check the id."}
	ErrMessageNotFound      = &Error{"message_not_found", "There is no such message in this conversation."}
	ErrForbidden            = &Error{"forbidden", "Your role in this conversation does not allow this."}
	ErrDirectIsFixed        = &Error{"direct_is_fixed", "A direct conversation has its two members for good; create a group instead."}
	ErrDirectWithSelf       = &Error{"direct_with_self", "A direct conversation needs another user; name exactly one that is not you."}
	ErrDirectNeedsOne       = &Error{"direct_needs_one", "A direct conversation is with exactly one other user; name one member."}
	ErrConversationKind     = &Error{"conversation_kind", "kind must be direct or group."}
	ErrNameInvalid          = &Error{"name_invalid", "A name has 1-100 characters after trimming, without control characters."}
	ErrNameOnDirect         = &Error{"name_on_direct", "A direct conversation has no name; leave it out."}
	ErrTooManyMembers       = &Error{"too_many_members", "A conversation is created with at most 1,000 members; add the others afterwards."}
	ErrRoleInvalid          = &Error{"role_invalid", "role must be owner, admin, member or reader."}
	ErrBodyEmpty            = &Error{"body_empty", "A message body has at least 1 character after trimming white space."}
	ErrBodyTooLong          = &Error{"body_too_long", "A message body has at most 4,000 characters."}
	ErrBodyInvalid          = &Error{"body_invalid", "A message body is valid Unicode without NUL characters."}
	ErrSeqInvalid           = &Error{"seq_invalid", "seq must be at least 1 and not beyond the conversation's last."}
)
