package limits

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	defaults := Rates{
		Register: {30, time.Hour}, Login: {20, time.Minute}, Send: {50, time.Second}, Search: {10, time.Second},
	}
	with := func(action string, rate Rate) Rates {
		rates := Rates{}
		for other, r := range defaults {
			rates[other] = r
		}
		rates[action] = rate
		return rates
	}
	for text, rates := range map[string]Rates{
		"off":                    nil,
		"":                       defaults,
		Defaults:                 defaults,
		"send=7/m":               with(Send, Rate{7, time.Minute}),
		" login=20/m , send=1/h": with(Send, Rate{1, time.Hour}),
		"search=1000000/s":       with(Search, Rate{maxCount, time.Second}),
	} {
		got, err := Parse(text)
		require.NoError(t, err, text)
		require.Equal(t, rates, got, text)
	}
	for text, reason := range map[string]string{
		"?":                 "not an action=count/unit",
		"send":              "not an action=count/unit",
		",":                 "not an action=count/unit",
		"off,send=1/s":      "not an action=count/unit",
		"sned=1/s":          `names the action "sned", which is not one of register, login, send, search`,
		"Send=1/s":          `names the action "Send"`,
		"send=1/s,send=2/s": `names the action "send" twice`,
		"send=1":            `whose unit is "", not s, m or h`,
		"send=1/d":          `whose unit is "d"`,
		"send=0/s":          `whose count is "0", not a number from 1`,
		"send=-1/s":         `whose count is "-1"`,
		"send=1000001/s":    `whose count is "1000001"`,
		"send=many/s":       `whose count is "many"`,
		"send=1 /s":         `whose count is "1 "`,
	} {
		_, err := Parse(text)
		require.ErrorContains(t, err, reason, text)
	}
}

func TestBatchIsAFifth(t *testing.T) {
	for permits, rates := range map[int][]Rate{
		1:  {{1, time.Second}, {9, time.Second}, {599, time.Minute}, {35_999, time.Hour}},
		2:  {{10, time.Second}, {600, time.Minute}},
		10: {{50, time.Second}, {3000, time.Minute}, {maxCount, time.Second}},
	} {
		for _, rate := range rates {
			require.Equal(t, permits, rate.batch(), rate)
		}
	}
}

// FuzzParse: every limit that is read can be enforced, and its text is read as the same limit.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"off", "", Defaults, "send=1/s", "send=1/s,send=1/s", "login=99999999999999999999/h", "=/", "a=b/c,,"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rates, err := Parse(text)
		if err != nil {
			require.Nil(t, rates)
			return
		}
		reread, err := Parse(rates.String())
		require.NoError(t, err)
		require.Equal(t, rates, reread)
		if rates == nil {
			require.Equal(t, "off", text)
			return
		}
		require.Len(t, rates, len(Actions))
		for _, rate := range rates {
			require.Positive(t, rate.interval())
			require.Positive(t, rate.batch())
			require.LessOrEqual(t, rate.batch(), rate.Count)
		}
	})
}
