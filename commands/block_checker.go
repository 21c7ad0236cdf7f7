package commands

import (
	"context"

	lru "github.com/hashicorp/golang-lru/v2"

	"ping/domain"
	"ping/internal/eventlog"
)

// blockChecker remembers the two users of direct conversations, who never change.
// So a message to a group costs no look-up, and a message to a direct conversation
// costs only that of the block.
type blockChecker struct {
	log   *eventlog.Log
	pairs *lru.Cache[domain.ID, [2]domain.ID] // zero for a group
}

// knownPairs bounds the conversations whose users are remembered: about 8 MB.
const knownPairs = 50_000

func newBlockChecker(log *eventlog.Log) *blockChecker {
	pairs, err := lru.New[domain.ID, [2]domain.ID](knownPairs)
	if err != nil {
		panic(err) // its size is positive
	}
	return &blockChecker{log: log, pairs: pairs}
}

// blocked reports whether the conversation is a direct one in which a member has
// blocked the other.
func (d *blockChecker) blocked(ctx context.Context, conversation, user domain.ID) (bool, error) {
	pair, ok := d.pairs.Get(conversation)
	if !ok {
		var err error
		if pair, ok, err = d.read(ctx, conversation); err != nil {
			return false, err
		}
		if ok {
			d.pairs.Add(conversation, pair)
		}
	}
	switch {
	case pair == [2]domain.ID{}:
		return false, nil
	case pair[0] != user && pair[1] != user:
		// The id of a direct conversation can be guessed from those of its users.
		// The time of the answer must not show whether it exists.
		_, _, err := d.read(ctx, conversation)
		return false, err
	}
	return d.log.Blocked(ctx, pair[0], pair[1])
}

// read returns the users that a conversation was created with; ok is false when
// there is none.
func (d *blockChecker) read(ctx context.Context, conversation domain.ID) (pair [2]domain.ID, ok bool, err error) {
	events, err := d.log.ReadStream(ctx, conversation, 0, 3)
	if err != nil || len(events) == 0 || events[0].Type != (domain.ConversationCreated{}).Type() {
		return pair, false, err
	}
	created, err := payload[domain.ConversationCreated](events[0])
	if err != nil || created.Kind != domain.Direct {
		return pair, err == nil, err
	}
	for i, e := range events[1:] {
		added, err := payload[domain.MemberAdded](e)
		if err != nil {
			return pair, false, err
		}
		pair[i] = added.UserID
	}
	return pair, true, nil
}
