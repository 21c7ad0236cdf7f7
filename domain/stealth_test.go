package domain_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ping/domain"
)

func TestSendStealth(t *testing.T) {
	crew := fold(group(added(bob, domain.RoleMember), added(dan, domain.RoleReader)))
	two := fold(direct())
	for _, c := range []struct {
		name string
		in   *domain.Conversation
		send domain.SendStealth
		err  error
	}{
		{"member", crew, domain.SendStealth{Actor: bob, Body: "psst"}, nil},
		{"reader", crew, domain.SendStealth{Actor: dan, Body: "psst"}, domain.ErrForbidden},
		{"outsider", crew, domain.SendStealth{Actor: eve, Body: "psst"}, domain.ErrConversationNotFound},
		{"no conversation", domain.NewConversation(), domain.SendStealth{Actor: ann, Body: "psst"}, domain.ErrConversationNotFound},
		{"one of two", two, domain.SendStealth{Actor: ann, Body: "psst"}, nil},
		{"one of two who is blocked", two, domain.SendStealth{Actor: ann, Body: "psst", Blocked: true}, domain.ErrBlocked},
		{"no text", crew, domain.SendStealth{Actor: bob, Body: " \n"}, domain.ErrBodyEmpty},
		{"too much text", crew, domain.SendStealth{Actor: bob, Body: strings.Repeat("x", domain.MaxBody+1)}, domain.ErrBodyTooLong},
		{"bad text from outside says nothing of it", crew, domain.SendStealth{Actor: eve}, domain.ErrConversationNotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.ErrorIs(t, c.in.SendStealth(c.send), c.err)
			if err := c.in.Typing(c.send.Actor, c.send.Blocked); c.err == nil {
				require.NoError(t, err)
			}
		})
	}
	require.ErrorIs(t, crew.Typing(dan, false), domain.ErrForbidden)
	require.NoError(t, crew.WithdrawStealth(dan), "who became a reader may take back what he sent")
	require.ErrorIs(t, crew.WithdrawStealth(eve), domain.ErrConversationNotFound)
}
