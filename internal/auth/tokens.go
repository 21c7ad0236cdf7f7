// Package auth proves who a caller is: access tokens, which any node can
// verify by itself, tickets, which open one WebSocket, and what every node must
// know to refuse both: which sessions have ended, and which users are erased.
package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
	lru "github.com/hashicorp/golang-lru/v2"

	"ping/domain"
)

const (
	issuer = "ping"
	// tokenLife is short, so that nodes need not remember for long what has
	// ended.
	tokenLife = 15 * time.Minute
	// leeway is how far the clocks of two nodes may be apart.
	leeway = 5 * time.Second
	// verifiedTokens bounds the cache of verified tokens: about 4 MB.
	verifiedTokens = 10_000
	// MinSecret is the least length of the signing secret, in bytes: that of
	// the hash it keys.
	MinSecret = 32
)

// ErrTokenInvalid says that a token is not ours, was changed, has expired or
// is of what has ended. It does not say which: only an attacker would gain.
var ErrTokenInvalid = errors.New("access token invalid")

// Claims is what a token says of its bearer.
type Claims struct {
	UserID    domain.ID
	SessionID domain.ID
	ExpiresAt time.Time
}

// Tokens issues and verifies access tokens: JWTs signed with HMAC-SHA256. It
// is safe for concurrent use.
type Tokens struct {
	secret []byte
	now    func() time.Time
	parser *jwt.Parser
	// verified remembers tokens whose signature was checked: a client sends
	// the same one with each of its messages.
	verified *lru.Cache[string, Claims]
	revoked  revokedSet // filled by Revocations
}

type jwtClaims struct {
	Session string `json:"sid"`
	jwt.RegisteredClaims
}

// NewTokens signs with secret, which has at least MinSecret bytes.
func NewTokens(secret []byte, now func() time.Time) (*Tokens, error) {
	if len(secret) < MinSecret {
		return nil, fmt.Errorf("the JWT secret has %d bytes; it needs at least %d", len(secret), MinSecret)
	}
	verified, err := lru.New[string, Claims](verifiedTokens)
	if err != nil {
		return nil, err
	}
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithIssuer(issuer),
		jwt.WithExpirationRequired(),
		jwt.WithLeeway(leeway),
		jwt.WithTimeFunc(now),
	)
	return &Tokens{secret: secret, now: now, parser: parser, verified: verified, revoked: newRevokedSet()}, nil
}

// Issue makes an access token and tells how long it is good for.
func (t *Tokens) Issue(user, session domain.ID) (token string, expiresIn time.Duration) {
	now := t.now()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwtClaims{
		Session: session.String(),
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    issuer,
			Subject:   user.String(),
			IssuedAt:  jwt.NewNumericDate(now),
			ExpiresAt: jwt.NewNumericDate(now.Add(tokenLife)),
		},
	}).SignedString(t.secret)
	if err != nil {
		panic(err) // signing strings and numbers with a []byte key cannot fail
	}
	return token, tokenLife
}

// Verify returns what a token that Issue made says; ErrTokenInvalid for any
// other, and for one that has expired or is of what has ended.
func (t *Tokens) Verify(token string) (Claims, error) {
	claims, err := t.check(token)
	if err != nil {
		return Claims{}, err
	}
	if t.revoked.of(claims) != NotEnded {
		return Claims{}, ErrTokenInvalid
	}
	return claims, nil
}

// Ended tells whether the bearer of a ticket, or of a stream, is refused by now.
// Of what Revocations closes, ask it again once Revocations can find it: an ending that
// came before is told here, and one that comes later closes it.
func (t *Tokens) Ended(claims Claims) Ending { return t.revoked.of(claims) }

// check verifies all but that the session goes on.
func (t *Tokens) check(token string) (Claims, error) {
	if claims, ok := t.verified.Get(token); ok {
		if t.now().After(claims.ExpiresAt.Add(leeway)) {
			t.verified.Remove(token)
			return Claims{}, ErrTokenInvalid
		}
		return claims, nil
	}
	claims, err := t.parse(token)
	if err != nil {
		return Claims{}, fmt.Errorf("%w: %w", ErrTokenInvalid, err)
	}
	t.verified.Add(token, claims)
	return claims, nil
}

func (t *Tokens) parse(token string) (Claims, error) {
	var parsed jwtClaims
	if _, err := t.parser.ParseWithClaims(token, &parsed, func(*jwt.Token) (any, error) { return t.secret, nil }); err != nil {
		return Claims{}, err
	}
	user, err := domain.ParseID(parsed.Subject)
	if err != nil {
		return Claims{}, err
	}
	session, err := domain.ParseID(parsed.Session)
	if err != nil {
		return Claims{}, err
	}
	return Claims{UserID: user, SessionID: session, ExpiresAt: parsed.ExpiresAt.Time}, nil
}

// DeriveSecret makes the same 256 secret bits from the same parts, on every
// node that has the signing secret and nowhere else.
func (t *Tokens) DeriveSecret(parts ...string) string {
	mac := hmac.New(sha256.New, t.secret)
	mac.Write([]byte("ping derived secret\n")) // no JWT begins so
	var size [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(size[:], uint64(len(p)))
		mac.Write(size[:])
		mac.Write([]byte(p))
	}
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
