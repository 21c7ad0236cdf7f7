package auth

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"ping/domain"
)

const (
	// revocationsChannel carries revocations: the id of a session, or that of an
	// erased user after userPrefix.
	revocationsChannel = "ping:session-ended"
	userPrefix         = "user:"
	// readWait bounds one reading of Postgres.
	readWait = 5 * time.Second
	// readAgain is how far each reading goes back behind the one before: a
	// session is revoked as of when that began, and seen once it is committed.
	// No request lasts as long.
	readAgain = time.Minute
)

// Config tunes Revocations. The zero value of each field means its default.
type Config struct {
	// ReadEvery is how often revocations are read from Postgres, and so the maximum
	// delay of one that was not received over Redis. Default: 2 s.
	ReadEvery time.Duration
}

// ReadRevoked reads from Postgres the sessions revoked since a time, but within age,
// and the users erased within age or being erased. now is the time of the read.
type ReadRevoked func(ctx context.Context, since time.Time, age time.Duration) (now time.Time, sessions, users []domain.ID, err error)

// Revocations makes every node refuse revoked tokens: those of sessions that ended by a
// logout or a stolen refresh token, and those of erased users.
//
// A revocation is first committed to Postgres and then reported here: this node
// refuses the tokens before its client is answered, the others when they receive
// the revocation over Redis. A node that did not receive it reads it from Postgres,
// at its start and every Config.ReadEvery. So Redis makes it quick, and Postgres
// makes it certain.
type Revocations struct {
	rdb    redis.UniversalClient
	read   ReadRevoked
	tokens *Tokens
	cfg    Config
	logger *slog.Logger
	// What to do once about each ending after its tokens are refused.
	closeSession, closeUser func(domain.ID)

	readTo time.Time // by Postgres's clock; used by Load alone
}

// NewRevocations applies revocations to tokens. It calls closeSession and closeUser for
// each ended session and erased user, from any goroutine, after their tokens are
// refused; they close the sockets that were opened with them.
func NewRevocations(rdb redis.UniversalClient, read ReadRevoked, tokens *Tokens, closeSession, closeUser func(domain.ID),
	cfg Config, logger *slog.Logger) *Revocations {
	if cfg.ReadEvery == 0 {
		cfg.ReadEvery = 2 * time.Second
	}
	return &Revocations{rdb: rdb, read: read, tokens: tokens, closeSession: closeSession, closeUser: closeUser, cfg: cfg, logger: logger}
}

// RevokeSession says that a session has ended. This node refuses it from now on,
// also when the error is that the others could not be told.
func (r *Revocations) RevokeSession(ctx context.Context, session domain.ID) error {
	r.apply(SessionEnded, session)
	return r.publish(ctx, session.String())
}

// RevokeUser says that a user is to be erased, as RevokeSession does of a session.
// The user's row is in identity.erasures by then.
func (r *Revocations) RevokeUser(ctx context.Context, user domain.ID) error {
	r.apply(UserErased, user)
	return r.publish(ctx, userPrefix+user.String())
}

func (r *Revocations) publish(ctx context.Context, message string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := r.rdb.Publish(ctx, revocationsChannel, message).Err(); err != nil {
		return fmt.Errorf("publish revocation: %w", err)
	}
	return nil
}

// Run receives and reads revocations until ctx ends.
func (r *Revocations) Run(ctx context.Context) error {
	var listening sync.WaitGroup
	listening.Go(func() { r.listen(ctx) })
	defer listening.Wait()
	ticker := time.NewTicker(r.cfg.ReadEvery)
	defer ticker.Stop()
	for {
		if err := r.Load(ctx); err != nil && ctx.Err() == nil {
			r.logger.Warn("revocations not read; retrying", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// Load reads revocations, the first time all that matter. Call it before a node
// serves, and not while Run runs.
func (r *Revocations) Load(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readWait)
	defer cancel()
	now, sessions, users, err := r.read(ctx, r.readTo.Add(-readAgain), remembered)
	if err != nil {
		return err
	}
	r.readTo = now
	for _, id := range sessions {
		r.apply(SessionEnded, id)
	}
	for _, id := range users {
		r.apply(UserErased, id)
	}
	r.tokens.revoked.forget(r.tokens.now())
	return nil
}

// listen receives the revocations of other nodes. It reconnects to Redis after an
// error; revocations that it missed are read from Postgres.
func (r *Revocations) listen(ctx context.Context) {
	sub := r.rdb.Subscribe(ctx, revocationsChannel)
	defer sub.Close()
	messages := sub.Channel()
	for {
		select {
		case <-ctx.Done():
			return
		case m, ok := <-messages:
			if !ok {
				return
			}
			r.receive(m.Payload)
		}
	}
}

// receive ignores messages that it does not know, which a newer node may publish.
func (r *Revocations) receive(message string) {
	ending, id := SessionEnded, message
	if user, ok := strings.CutPrefix(message, userPrefix); ok {
		ending, id = UserErased, user
	}
	if parsed, err := domain.ParseID(id); err == nil {
		r.apply(ending, parsed)
	}
}

// apply first refuses tokens and then closes sockets. A socket that opens in between
// asks Tokens.Ended once it can be closed, and closes itself.
func (r *Revocations) apply(ending Ending, id domain.ID) {
	if !r.tokens.revoked.add(ending, id, r.tokens.now()) {
		return
	}
	if ending == UserErased {
		r.closeUser(id)
	} else {
		r.closeSession(id)
	}
}
