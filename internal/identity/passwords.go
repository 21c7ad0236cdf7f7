package identity

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/crypto/bcrypt"

	"ping/domain"
	"ping/internal/auth"
	"ping/internal/web"
)

// The lengths of a password, in bytes; bcrypt ignores what is beyond 72.
const (
	minPassword = 8
	maxPassword = 72
)

// passwordPatience is how long a login waits for a processor before it is refused.
const passwordPatience = 2 * time.Second

// ErrPasswordInvalid refuses a password of another length.
var ErrPasswordInvalid = &domain.Error{Kind: domain.Unprocessable, Code: "password_invalid", Message: "A password has 8-72 bytes."}

// Passwords hashes passwords on at most half of the processors: bcrypt is slow on
// purpose, and many logins must not slow down sends.
type Passwords struct {
	cost  int
	slots chan struct{}
	// unknown is the hash of a random password. A comparison with it makes a login
	// to an unknown address take as long as any other.
	unknown []byte
	// Compare is bcrypt.CompareHashAndPassword. Tests replace it to count.
	Compare func(hash, password []byte) error
}

// NewPasswords makes a hasher with a cost of bcrypt; 0 means its default.
func NewPasswords(cost int) (*Passwords, error) {
	if cost == 0 {
		cost = bcrypt.DefaultCost
	}
	unknown, err := bcrypt.GenerateFromPassword([]byte(auth.NewSecret()), cost)
	if err != nil {
		return nil, fmt.Errorf("bcrypt cost %d: %w", cost, err)
	}
	return &Passwords{
		cost: cost, slots: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)), unknown: unknown, Compare: bcrypt.CompareHashAndPassword,
	}, nil
}

// acquire waits for a processor and returns how to release it. It returns
// web.ErrBusy when that takes longer than passwordPatience.
func (p *Passwords) acquire(ctx context.Context) (done func(), err error) {
	patience := time.NewTimer(passwordPatience)
	defer patience.Stop()
	select {
	case p.slots <- struct{}{}:
		return func() { <-p.slots }, nil
	case <-patience.C:
		return nil, web.ErrBusy
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Hash returns the hash of a password of a valid length.
func (p *Passwords) Hash(ctx context.Context, password string) (string, error) {
	done, err := p.acquire(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), p.cost)
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return string(hash), nil
}

// Match reports whether the hash is that of the password. The empty hash of an
// unknown account takes as long and matches no password.
func (p *Passwords) Match(ctx context.Context, hash, password string) (bool, error) {
	if CheckPassword(password) != nil {
		return false, nil // bcrypt would compare only the first 72 bytes
	}
	done, err := p.acquire(ctx)
	if err != nil {
		return false, err
	}
	defer done()
	known := hash != ""
	if !known {
		hash = string(p.unknown)
	}
	err = p.Compare([]byte(hash), []byte(password))
	if err != nil && !errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		return false, fmt.Errorf("compare password: %w", err)
	}
	return known && err == nil, nil
}

// CheckPassword checks the length of a password.
func CheckPassword(password string) error {
	if len(password) < minPassword || len(password) > maxPassword {
		return ErrPasswordInvalid
	}
	return nil
}
