package commands

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

// passwordPatience is how long a login waits for its turn before it is told
// to come back.
const passwordPatience = 2 * time.Second

var errPasswordInvalid = &domain.Error{Kind: domain.Unprocessable, Code: "password_invalid", Message: "A password has 8-72 bytes."}

// passwords hashes passwords on at most half of the processors: bcrypt is
// slow on purpose, and a crowd logging in may not starve those who send.
type passwords struct {
	cost  int
	slots chan struct{}
	// nobody is the hash of a password that nobody has. Comparing with it makes
	// a login to an unknown address take as long as any other.
	nobody []byte
	// compare is bcrypt's; tests count what it is asked.
	compare func(hash, password []byte) error
}

func newPasswords(cost int) (*passwords, error) {
	if cost == 0 {
		cost = bcrypt.DefaultCost
	}
	nobody, err := bcrypt.GenerateFromPassword([]byte(auth.NewSecret()), cost)
	if err != nil {
		return nil, fmt.Errorf("bcrypt cost %d: %w", cost, err)
	}
	return &passwords{
		cost: cost, slots: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)), nobody: nobody, compare: bcrypt.CompareHashAndPassword,
	}, nil
}

// turn waits for the right to use a processor and returns how to give it
// back; web.ErrBusy when that takes longer than passwordPatience.
func (p *passwords) turn(ctx context.Context) (done func(), err error) {
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

// hash returns what to store of a password of a valid length.
func (p *passwords) hash(ctx context.Context, password string) (string, error) {
	done, err := p.turn(ctx)
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

// match reports whether the hash is of the password. An empty hash, that of
// an account which does not exist, takes as long and matches none.
func (p *passwords) match(ctx context.Context, hash, password string) (bool, error) {
	if checkPassword(password) != nil {
		return false, nil // bcrypt would compare only its first 72 bytes
	}
	done, err := p.turn(ctx)
	if err != nil {
		return false, err
	}
	defer done()
	known := hash != ""
	if !known {
		hash = string(p.nobody)
	}
	err = p.compare([]byte(hash), []byte(password))
	if err != nil && !errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		return false, fmt.Errorf("compare password: %w", err)
	}
	return known && err == nil, nil
}

func checkPassword(password string) error {
	if len(password) < minPassword || len(password) > maxPassword {
		return errPasswordInvalid
	}
	return nil
}
