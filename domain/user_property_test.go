package domain_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"ping/domain"
)

// anyUserCommand draws a command on a user. Its texts are such as people send,
// at their limits and beyond them.
func anyUserCommand(t *rapid.T) userDecision {
	text := rapid.Ptr(rapid.OneOf(
		rapid.String(),
		rapid.SampledFrom([]string{"", " ", "ann", "@Ann_1", "_ann", "a\x00", "a\xff", "https://x.example/a", "http://x.example/a"}),
		rapid.Map(rapid.SampledFrom([]int{31, 32, 33, 100, 101, 500, 501, 2100}), func(n int) string { return strings.Repeat("a", n) }),
		rapid.Map(rapid.SampledFrom([]int{100, 101, 500, 501}), func(n int) string { return strings.Repeat("ß", n) }),
		rapid.Map(rapid.SampledFrom([]int{1982, 1983}), func(n int) string { return "https://x.example/" + strings.Repeat("a", n) }),
	), true)
	switch rapid.SampledFrom([]string{"register", "profile", "profile", "block", "block", "erase"}).Draw(t, "command") {
	case "register":
		return register("Ann")
	case "profile":
		return changeProfile(domain.ChangeProfile{
			DisplayName: text.Draw(t, "name"), Handle: text.Draw(t, "handle"), Bio: text.Draw(t, "bio"), AvatarURL: text.Draw(t, "avatar"),
		})
	case "block":
		return block(rapid.SampledFrom(everyone).Draw(t, "user"), rapid.Bool().Draw(t, "on"))
	}
	return (*domain.User).Erase
}

// TestAnyUser runs commands on one user and checks, after each, what must hold
// whatever came before.
func TestAnyUser(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		history := registered()
		for range rapid.IntRange(1, 30).Draw(t, "commands") {
			u := foldUser(history)
			decide := anyUserCommand(t)
			events, err := decide(u)
			if err != nil && len(events) > 0 {
				t.Fatalf("a refusal came with events: %v, %v", err, events)
			}
			if !reflect.DeepEqual(foldUser(history), u) {
				t.Fatal("a decision changed the state")
			}
			if u.Erased && len(events) > 0 {
				t.Fatalf("someone erased did %v", events)
			}
			history = append(history, events...)
			now := foldUser(history)
			if again, err := decide(now); len(events) > 0 && (len(again) > 0 || (err != nil && !now.Erased)) {
				t.Fatalf("the second time: %v, %v", again, err)
			}
			checkProfile(t, now)
			checkGone(t, now)
		}
	})
}

// checkProfile: the texts of a user are within their limits, and the display name
// is set until the user is erased.
func checkProfile(t *rapid.T, u *domain.User) {
	if (u.DisplayName == "") != u.Erased {
		t.Fatalf("erased: %v, called %q", u.Erased, u.DisplayName)
	}
	for _, text := range []struct {
		value string
		most  int
	}{{u.DisplayName, 100}, {u.Handle, 32}, {u.Bio, 500}, {u.AvatarURL, 2000}} {
		if !utf8.ValidString(text.value) || strings.Contains(text.value, "\x00") || utf8.RuneCountInString(text.value) > text.most {
			t.Fatalf("a text of at most %d characters is %q", text.most, text.value)
		}
	}
	if clean, err := domain.CleanHandle(u.Handle); u.Handle != "" && (err != nil || clean != u.Handle) {
		t.Fatalf("the handle is %q", u.Handle)
	}
	if u.AvatarURL != "" && !strings.HasPrefix(u.AvatarURL, "https://") {
		t.Fatalf("the avatar is at %q", u.AvatarURL)
	}
	if u.Blocked[ann] {
		t.Fatal("ann blocks herself")
	}
}

// checkGone: an erased user is asked in vain and holds nothing.
func checkGone(t *rapid.T, u *domain.User) {
	if !u.Erased {
		return
	}
	if u.Profile != (domain.Profile{}) || len(u.Blocked) > 0 {
		t.Fatalf("something is left of who was erased: %+v", u)
	}
	for _, d := range []userDecision{changeProfile(domain.ChangeProfile{}), changeProfile(domain.ChangeProfile{Bio: new("x")}), block(bob, true), block(bob, false)} {
		if _, err := d(u); !errors.Is(err, domain.ErrUserNotFound) {
			t.Fatalf("someone erased got %v", err)
		}
	}
	for _, d := range []userDecision{register("Ann"), (*domain.User).Erase} {
		if events, err := d(u); err != nil || len(events) > 0 {
			t.Fatalf("someone erased came back: %v, %v", events, err)
		}
	}
}
