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

// listEvents reads the log itself, which is ahead of the read models.
func (r *reads) listEvents(ctx context.Context, in *listEventsInput) (*output[web.Page[json.RawMessage]], error) {
	if err := r.wait(ctx, in.Read, inbox); err != nil {
		return nil, err
	}
	events, err := r.log.ReadStream(ctx, in.ConversationID, in.After, in.Limit.Limit+1)
	if err == nil {
		err = r.member(ctx, in.ConversationID)
	}
	return answer(page(events, in.Limit.Limit, func(e *eventlog.Event) json.RawMessage { return e.Frame },
		func(e *eventlog.Event) string { return strconv.FormatInt(e.Version, 10) }), err)
}
