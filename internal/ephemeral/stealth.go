package ephemeral

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"ping/domain"
)

const (
	// MaxAlive bounds the unexpired stealth messages of a conversation.
	MaxAlive = 1000
	// keyLife is how long an Idempotency-Key is kept after its message expires.
	keyLife = time.Hour
	// expireRun bounds the expired messages that one script publishes.
	expireRun = 200
)

// ErrTooManyStealth says that a conversation already has MaxAlive.
var ErrTooManyStealth = &domain.Error{Kind: domain.Unprocessable, Code: "too_many_stealth",
	Message: "This conversation has 1,000 stealth messages alive; wait until some have expired."}

// ErrKeyReused says that an Idempotency-Key was used with another request.
var ErrKeyReused = errors.New("the idempotency key was used with another request")

// Post stores a stealth message until it expires, and publishes it to the members
// at a position of the log, see Message. Under a key that was used for the same
// request it does neither, and returns the first answer and replayed.
func (s *Store) Post(ctx context.Context, m Stealth, after int64, key string, request [][]byte) (posted Stealth, replayed bool, err error) {
	ttl := m.ExpiresAt.Sub(m.SentAt).Milliseconds()
	message := encode(m)
	told := Message{Kind: KindStealth, Conversations: []domain.ID{m.ConversationID}, After: after, Frame: encode(StealthFrame{"stealth", m})}
	keys := stealthKeys(m.ConversationID, m.ID)
	answered := ""
	if key != "" {
		answered = fmt.Sprintf("%s %d %s", m.ID, m.SentAt.UnixMilli(), s.hash("request", request...))
		keys = append(keys, slot(ShardOf(m.ConversationID))+":key:"+s.hash("key", m.ConversationID[:], m.AuthorID[:], []byte(key)))
	} else {
		keys = append(keys, keys[0]) // not used
	}
	got, err := s.run(ctx, ShardOf(m.ConversationID), stealthPostScript, keys, m.ID.String(), m.AuthorID.String()+string(message), ttl, dueMember(m.ConversationID, m.ID),
		MaxAlive, told.encode(), answered, ttl+keyLife.Milliseconds())
	if err != nil {
		return Stealth{}, false, err
	}
	switch text, _ := got.(string); text {
	case "":
		return m, false, nil
	case "full":
		return Stealth{}, false, ErrTooManyStealth
	default:
		m, err = asAnswered(m, text, answered)
		return m, err == nil, err
	}
}

// asAnswered returns the message of the first attempt. Text and lifetime are those
// of the retry, which is the same request.
func asAnswered(m Stealth, first, now string) (Stealth, error) {
	was, is := strings.Fields(first), strings.Fields(now)
	if len(was) != 3 || m.ID.UnmarshalText([]byte(was[0])) != nil {
		return Stealth{}, errors.New("post stealth message: an idempotency key is kept in another form")
	}
	if was[2] != is[2] {
		return Stealth{}, ErrKeyReused
	}
	sent, err := strconv.ParseInt(was[1], 10, 64)
	if err != nil {
		return Stealth{}, fmt.Errorf("post stealth message: %w", err)
	}
	life := m.ExpiresAt.Sub(m.SentAt)
	m.SentAt = time.UnixMilli(sent).UTC()
	m.ExpiresAt = m.SentAt.Add(life)
	return m, nil
}

// hash is a keyed hash, so that a reader cannot guess the text by hashing.
func (s *Store) hash(of string, parts ...[]byte) string {
	mac := hmac.New(sha256.New, s.secret)
	fmt.Fprintf(mac, "%s", of)
	for _, p := range parts {
		fmt.Fprintf(mac, " %d:", len(p)) // distinguishes ("ab","c") from ("a","bc")
		mac.Write(p)
	}
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// stealthKeys returns the conversation's list, the message, the shard's due list and
// its channel, in the order of the scripts.
func stealthKeys(conversation, id domain.ID) []string {
	of := slot(ShardOf(conversation))
	list := of + ":stealth:" + conversation.String()
	return []string{list, list + ":" + id.String(), of + ":stealth:due", of}
}

// dueMember returns the member for a message in its shard's due list.
func dueMember(conversation, id domain.ID) string { return conversation.String() + ":" + id.String() }

// Withdraw removes a stealth message before it expires. Users other than its author
// are refused with domain.ErrForbidden. An expired or unknown message is no error.
func (s *Store) Withdraw(ctx context.Context, conversation, id, author domain.ID) error {
	gone := StealthGoneFrame{Type: "stealth_gone", ConversationID: conversation, ID: id, Reason: "withdrawn"}
	told := Message{Kind: KindStealth, Conversations: []domain.ID{conversation}, Frame: encode(gone)}
	got, err := s.run(ctx, ShardOf(conversation), stealthWithdrawScript, stealthKeys(conversation, id), id.String(), author.String(), dueMember(conversation, id), told.encode())
	if err != nil {
		return err
	}
	if got != "" {
		return domain.ErrForbidden
	}
	return nil
}

// WithdrawAll withdraws all stealth messages of an author in a conversation.
func (s *Store) WithdrawAll(ctx context.Context, conversation, author domain.ID) error {
	alive, err := s.Alive(ctx, conversation, domain.ID{}, MaxAlive)
	if err != nil {
		return err
	}
	for _, m := range alive {
		if m.AuthorID != author {
			continue
		}
		if err := s.Withdraw(ctx, conversation, m.ID, author); err != nil {
			return err
		}
	}
	return nil
}

// Alive returns up to limit unexpired stealth messages of a conversation that are
// older than before, newest first; a zero before means all.
func (s *Store) Alive(ctx context.Context, conversation, before domain.ID, limit int) ([]Stealth, error) {
	found, err := s.run(ctx, ShardOf(conversation), stealthListScript, stealthKeys(conversation, domain.ID{})[:1])
	if err != nil {
		return nil, err
	}
	texts, _ := found.([]any)
	ids := make([]domain.ID, 0, len(texts))
	for _, text := range texts {
		id, err := domain.ParseID(fmt.Sprint(text))
		if err != nil {
			return nil, fmt.Errorf("list stealth messages: %w", err)
		}
		if before.IsZero() || bytes.Compare(id[:], before[:]) < 0 {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b domain.ID) int { return bytes.Compare(b[:], a[:]) }) // ids begin with the time
	return s.read(ctx, conversation, ids, limit)
}

// read returns the first messages that have not expired meanwhile.
func (s *Store) read(ctx context.Context, conversation domain.ID, ids []domain.ID, limit int) (alive []Stealth, err error) {
	for len(ids) > 0 && len(alive) < limit {
		some := ids[:min(len(ids), limit-len(alive))]
		ids = ids[len(some):]
		keys := make([]string, len(some))
		for i, id := range some {
			keys[i] = stealthKeys(conversation, id)[1]
		}
		stored, err := call(s, ctx, ShardOf(conversation), func(ctx context.Context) ([]any, error) { return s.rdb.MGet(ctx, keys...).Result() })
		if err != nil {
			return nil, err
		}
		for _, one := range stored {
			text, ok := one.(string)
			if !ok {
				continue
			}
			var m Stealth
			if err := json.Unmarshal([]byte(text[min(idLength, len(text)):]), &m); err != nil {
				return nil, fmt.Errorf("read stealth message: not JSON") // the decoder's error might quote the text
			}
			alive = append(alive, m)
		}
	}
	return alive, nil
}

// idLength is the length of an id as text.
const idLength = 36

// Expire publishes what has expired in a shard, and returns the time until the next
// message expires.
func (s *Store) Expire(ctx context.Context, shard int) (next time.Duration, some bool, err error) {
	of := slot(shard)
	for {
		got, err := s.run(ctx, shard, stealthExpireScript, []string{of + ":stealth:due", of}, expireRun)
		if err != nil {
			return 0, false, err
		}
		ms, _ := got.(int64)
		if ms != 0 {
			return time.Duration(ms) * time.Millisecond, ms > 0, nil
		}
	}
}
