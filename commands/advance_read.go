package commands

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"ping/domain"
	"ping/internal/web"
)

type advanceReadInput struct {
	web.Write
	ConversationID domain.ID `path:"conversation_id"`
	Body           struct {
		Seq int64 `json:"seq" doc:"The seq up to which the caller has read." minimum:"1" example:"42"`
	}
}

type advanceReadOutput struct {
	web.Written
	Body struct {
		Seq int64 `json:"seq" doc:"The seq of the request. A greater earlier one remains in effect." example:"42"`
	}
}

func advanceReadOperation() huma.Operation {
	return reaching(http.MethodPut, conversationPath+"/read", "advance-read", "Mark as read", http.StatusOK, "conversations",
		domain.ErrConversationNotFound, domain.ErrSeqInvalid)
}

// advanceRead marks a conversation as read up to a seq.
func (c *conversations) advanceRead(ctx context.Context, in *advanceReadInput) (*advanceReadOutput, error) {
	read := domain.AdvanceRead{Actor: web.CallerFrom(ctx).UserID, Seq: in.Body.Seq}
	done, err := c.markers.wait(ctx, markerKey{in.ConversationID, read.Actor}, read.Seq)
	if err != nil {
		return nil, err
	}
	defer done()
	if read.Marked, err = c.Log.ReadMarker(ctx, in.ConversationID, read.Actor); err != nil {
		return nil, err
	}
	return c.mark(ctx, in, read)
}

func (c *conversations) mark(ctx context.Context, in *advanceReadInput, read domain.AdvanceRead) (*advanceReadOutput, error) {
	cmd := command(in.ConversationID, read.Actor, in.Key, in.Request())
	cmd.SkipReceipt = true // most markers of one who scrolls change nothing
	done, err := c.decide(ctx, cmd,
		func(conversation *domain.Conversation, version int64) ([]domain.Event, error) {
			advance := read
			advance.LastSeq = version
			return conversation.AdvanceRead(advance)
		})
	if err != nil {
		return nil, err
	}
	out := &advanceReadOutput{Written: written(done)}
	out.Body.Seq = read.Seq
	return out, nil
}
