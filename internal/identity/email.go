package identity

import (
	"net/mail"
	"strings"
	"unicode"

	"ping/domain"
)

// Refusals of an e-mail address.
var (
	ErrEmailTaken   = &domain.Error{Kind: domain.Conflict, Code: "email_taken", Message: "This e-mail address is registered; log in instead."}
	ErrEmailInvalid = &domain.Error{Kind: domain.Unprocessable, Code: "email_invalid", Message: "This is not an e-mail address such as ada@example.org."}
)

// NormalEmail returns the form of an address that is compared and stored.
func NormalEmail(email string) (string, error) {
	parsed, err := mail.ParseAddress(email)
	if err != nil || parsed.Address != email || len(email) > 254 || strings.ContainsFunc(email, notInEmail) {
		return "", ErrEmailInvalid
	}
	return strings.ToLower(email), nil
}

func notInEmail(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }
