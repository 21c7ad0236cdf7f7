package auth

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"ping/domain"
)

const (
	// endingsChannel carries what ends: the id of a session as it is, that of
	// an erased user after userPrefix.
	endingsChannel = "ping:session-ended"
	userPrefix     = "user:"
	// readWait bounds one reading of Postgres.
	readWait = 5 * time.Second
	// readAgain is how far each reading goes back behind the one before: a
	// session is revoked as of when that began, and seen once it is committed.
	// No request lasts as long.
	readAgain = time.Minute
)

// Config tunes Endings. The zero value of each field means its default.
type Config struct {
	// ReadEvery is how often revocations are read from Postgres, and so the maximum
	// delay of one that was not received over Redis. Default: 2 s.
	ReadEvery time.Duration
}

// Endings makes every node refuse revoked tokens: those of sessions that ended by a
// logout or a stolen refresh token, and those of erased users.
//
// A revocation is first committed to Postgres and then reported here: this node
// refuses the tokens before its client is answered, the others when they receive
// the revocation over Redis. A node that did not receive it reads it from Postgres,
// at its start and every Config.ReadEvery. So Redis makes it quick, and Postgres
// makes it certain.
type Endings struct {
	rdb    redis.UniversalClient
	pool   *pgxpool.Pool
	tokens *Tokens
	cfg    Config
	logger *slog.Logger
	// What to do once about each ending after its tokens are refused.
	closeSession, closeUser func(domain.ID)

	readTo time.Time // by Postgres's clock; used by Load alone
}

// NewEndings applies revocations to tokens. It calls closeSession and closeUser for
// each ended session and erased user, from any goroutine, after their tokens are
// refused; they close the sockets that were opened with them.
func NewEndings(rdb redis.UniversalClient, pool *pgxpool.Pool, tokens *Tokens, closeSession, closeUser func(domain.ID),
	cfg Config, logger *slog.Logger) *Endings {
	if cfg.ReadEvery == 0 {
		cfg.ReadEvery = 2 * time.Second
	}
	return &Endings{rdb: rdb, pool: pool, tokens: tokens, closeSession: closeSession, closeUser: closeUser, cfg: cfg, logger: logger}
}

// TellSession says that a session has ended. This node refuses it from now on,
// also when the error is that the others could not be told.
func (e *Endings) TellSession(ctx context.Context, session domain.ID) error {
	e.apply(SessionEnded, session)
	return e.publish(ctx, session.String())
}

// TellUser says that a user is to be erased, as TellSession does of a session.
// The user's row is in identity.erasures by then.
func (e *Endings) TellUser(ctx context.Context, user domain.ID) error {
	e.apply(UserErased, user)
	return e.publish(ctx, userPrefix+user.String())
}

func (e *Endings) publish(ctx context.Context, message string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := e.rdb.Publish(ctx, endingsChannel, message).Err(); err != nil {
		return fmt.Errorf("tell what has ended: %w", err)
	}
	return nil
}

// Run receives and reads revocations until ctx ends.
func (e *Endings) Run(ctx context.Context) error {
	var listening sync.WaitGroup
	listening.Go(func() { e.listen(ctx) })
	defer listening.Wait()
	ticker := time.NewTicker(e.cfg.ReadEvery)
	defer ticker.Stop()
	for {
		if err := e.Load(ctx); err != nil && ctx.Err() == nil {
			e.logger.Warn("what has ended cannot be read", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// endedSQL reads what has ended since $1, and no longer ago than $2. Erasures
// are few: all are read that tokens could be left of.
const endedSQL = `
SELECT now(),
       ARRAY(SELECT id FROM identity.sessions WHERE revoked_at > greatest($1::timestamptz, now() - $2::interval)),
       ARRAY(SELECT user_id FROM identity.erasures WHERE finished_at IS NULL OR finished_at > now() - $2::interval)`

// Load reads revocations, the first time all that matter. Call it before a node
// serves, and not while Run runs.
func (e *Endings) Load(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readWait)
	defer cancel()
	var now time.Time
	var sessions, users [][16]byte
	if err := e.pool.QueryRow(ctx, endedSQL, e.readTo.Add(-readAgain), remembered).Scan(&now, &sessions, &users); err != nil {
		return fmt.Errorf("read what has ended: %w", err)
	}
	e.readTo = now
	for _, id := range sessions {
		e.apply(SessionEnded, id)
	}
	for _, id := range users {
		e.apply(UserErased, id)
	}
	e.tokens.revoked.forget(e.tokens.now())
	return nil
}

// listen receives the revocations of other nodes. It reconnects to Redis after an
// error; revocations that it missed are read from Postgres.
func (e *Endings) listen(ctx context.Context) {
	sub := e.rdb.Subscribe(ctx, endingsChannel)
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
			e.receive(m.Payload)
		}
	}
}

// receive ignores messages that it does not know, which a newer node may publish.
func (e *Endings) receive(message string) {
	ending, id := SessionEnded, message
	if user, ok := strings.CutPrefix(message, userPrefix); ok {
		ending, id = UserErased, user
	}
	if parsed, err := domain.ParseID(id); err == nil {
		e.apply(ending, parsed)
	}
}

// apply first refuses tokens and then closes sockets. A socket that opens in between
// asks Tokens.Ended once it can be closed, and closes itself.
func (e *Endings) apply(ending Ending, id domain.ID) {
	if !e.tokens.revoked.add(ending, id, e.tokens.now()) {
		return
	}
	if ending == UserErased {
		e.closeUser(id)
	} else {
		e.closeSession(id)
	}
}
