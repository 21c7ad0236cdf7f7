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
	ErrMemberNotFound       = &Error{"member_not_found", "This user is no member of the conversation; add him first."}
	ErrMessageDeleted       = &Error{"message_deleted", "This message was deleted; nothing can be done with it any more."}
	ErrBlocked              = &Error{"blocked", "One of the two of you has blocked the other; nothing can be sent."}
	ErrBlockSelf            = &Error{"block_self", "You cannot block yourself; name another user."}
	ErrTooManyBlocked       = &Error{"too_many_blocked", "You block 1,000 users already; unblock one of them first."}
	ErrUserErased           = &Error{"user_erased", "The other person's account was erased; nothing can be sent."}
	ErrLastOwner            = &Error{"last_owner", "You are the only owner; make another member the owner, and you become an admin."}
	ErrForbidden            = &Error{"forbidden", "Your role in this conversation does not allow this."}
	ErrDirectIsFixed        = &Error{"direct_is_fixed", "A direct conversation has its two members for good; create a group instead."}
	ErrDirectWithSelf       = &Error{"direct_with_self", "A direct conversation needs another user; name exactly one that is not you."}
	ErrDirectNeedsOne       = &Error{"direct_needs_one", "A direct conversation is with exactly one other user; name one member."}
	ErrConversationKind     = &Error{"conversation_kind", "kind must be direct or group."}
	ErrNameInvalid          = &Error{"name_invalid", "A name has 1-100 characters after trimming, without control characters."}
	ErrTopicInvalid         = &Error{"topic_invalid", "A topic has at most 500 characters, without NUL."}
	ErrHandleInvalid        = &Error{"handle_invalid", "A handle has 2-32 characters out of a-z, 0-9 and _, and does not begin with _."}
	ErrHandleTaken          = &Error{"handle_taken", "Another user has this handle; choose another one."}
	ErrBioInvalid           = &Error{"bio_invalid", "A bio has at most 500 characters, without NUL."}
	ErrAvatarInvalid        = &Error{"avatar_url_invalid", "avatar_url is an https address of at most 2,000 bytes, or empty for none."}
	ErrTooManyReactions     = &Error{"too_many_reactions", "You have 20 reactions on this message, or changed them very often; take one back first."}
	ErrEmojiInvalid         = &Error{"emoji_invalid", "A reaction is one emoji, percent-encoded in the path."}
	ErrNameOnDirect         = &Error{"name_on_direct", "A direct conversation has no name; leave it out."}
	ErrTooManyMembers       = &Error{"too_many_members", "A conversation is created with at most 1,000 members; add the others afterwards."}
	ErrRoleInvalid          = &Error{"role_invalid", "role must be owner, admin, member or reader."}
	ErrBodyEmpty            = &Error{"body_empty", "A message body has at least 1 character after trimming white space."}
	ErrBodyTooLong          = &Error{"body_too_long", "A message body has at most 4,000 characters."}
	ErrBodyInvalid          = &Error{"body_invalid", "A message body is valid Unicode without NUL characters."}
	ErrSeqInvalid           = &Error{"seq_invalid", "seq must be at least 1 and not beyond the conversation's last."}
)
