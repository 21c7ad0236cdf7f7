package readapi

import (
	"context"
	"encoding/json"
	"strconv"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/internal/web"
)

type listEventsInput struct {
	Read
	Limit
	ConversationID domain.ID `path:"conversation_id"`
	After          int64     `query:"after" minimum:"0" doc:"A seq: the events after it. The next of a page is the one to pass."`
}

// listEvents reads the log itself, which is never behind; only whether the
// caller is a member comes from a read model, and from the log where that is
// behind.
func (r *reads) listEvents(ctx context.Context, in *listEventsInput) (*output[web.Page[json.RawMessage]], error) {
	if err := r.wait(ctx, in.Read, inbox); err != nil {
		return nil, err
	}
	if err := r.member(ctx, in.ConversationID); err != nil {
		return nil, err
	}
	events, err := r.log.ReadStream(ctx, in.ConversationID, in.After, in.Limit.Limit+1)
	if err == nil {
		err = r.stillMember(ctx, in.ConversationID)
	}
	return answer(page(events, in.Limit.Limit, func(e *eventlog.Event) json.RawMessage { return e.Frame },
		func(e *eventlog.Event) string { return strconv.FormatInt(e.Version, 10) }), err)
}

// stillMember refuses a member whose removal the inbox has yet to apply: the
// log is ahead of it, and what it tells is for members only. Asked after the
// events are read, it knows of every removal before them.
func (r *reads) stillMember(ctx context.Context, conversation domain.ID) error {
	var applied int64
	err := r.pool.QueryRow(ctx, `SELECT last_seq FROM inbox.conversations WHERE id = $1`, uid(conversation)).Scan(&applied)
	if err != nil {
		return err
	}
	caller, member := web.CallerFrom(ctx).UserID, true
	for {
		events, err := r.log.ReadDecisive(ctx, conversation, applied, decisivePage)
		if err != nil {
			return err
		}
		for _, e := range events {
			applied = e.Version
			decoded, err := domain.DecodeEvent(e.Type, e.Schema, e.Payload)
			if err != nil {
				return err
			}
			switch change := decoded.(type) {
			case domain.MemberRemoved:
				member = member && change.UserID != caller
			case domain.MemberAdded:
				member = member || change.UserID == caller
			}
		}
		if len(events) < decisivePage {
			break
		}
	}
	if !member {
		return domain.ErrConversationNotFound
	}
	return nil
}

// decisivePage is how many decisive events are read at a time.
const decisivePage = 100
