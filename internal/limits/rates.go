package limits

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The actions that have a limit.
const (
	Register = "register" // of an address
	Login    = "login"    // of an address, and of an account
	Send     = "send"     // of a user: every write that reaches others
	Search   = "search"   // of a user: every read that looks through much
)

// Actions are all of them, as Rates.String orders them.
var Actions = []string{Register, Login, Send, Search}

// Defaults is what Parse takes for an action that its text does not name.
const Defaults = "register=30/h,login=20/m,send=50/s,search=10/s"

// maxCount bounds the count of a rate, so that times and permits stay exact.
const maxCount = 1_000_000

// Rate is how often something may be done: Count times at once, and again as
// often in each Unit.
type Rate struct {
	Count int
	Unit  time.Duration // a second, a minute or an hour
}

var units = map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}

func (r Rate) String() string {
	for name, unit := range units {
		if unit == r.Unit {
			return strconv.Itoa(r.Count) + "/" + name
		}
	}
	return fmt.Sprintf("%d/%s", r.Count, r.Unit)
}

// interval is the time after which another permit is there.
func (r Rate) interval() time.Duration { return r.Unit / time.Duration(r.Count) }

// batch is how many permits are settled at once: a fifth of those that come in
// a second, 1-10.
func (r Rate) batch() int {
	const most = 10
	return int(min(most, max(1, time.Duration(r.Count)*time.Second/r.Unit/5)))
}

// Rates are the limits by action. Without a rate an action has no limit, so
// nil is no limit at all.
type Rates map[string]Rate

// String returns the rates as Parse reads them.
func (r Rates) String() string {
	if len(r) == 0 {
		return "off"
	}
	var all []string
	for _, action := range Actions {
		if rate, ok := r[action]; ok {
			all = append(all, action+"="+rate.String())
		}
	}
	return strings.Join(all, ",")
}

// Parse reads "off", which is nil, or rates such as "login=20/m,send=50/s".
// An action that is not named has its default.
func Parse(text string) (Rates, error) {
	if text == "off" {
		return nil, nil
	}
	named, err := parse(text)
	if err != nil {
		return nil, err
	}
	all, err := parse(Defaults)
	for action, rate := range named {
		all[action] = rate
	}
	return all, err
}

func parse(text string) (Rates, error) {
	rates := Rates{}
	if strings.TrimSpace(text) == "" {
		return rates, nil
	}
	for one := range strings.SplitSeq(text, ",") {
		action, rate, ok := strings.Cut(strings.TrimSpace(one), "=")
		switch _, twice := rates[action]; {
		case !ok:
			return nil, fmt.Errorf("has %q, which is not an action=count/unit such as send=50/s", one)
		case !slices.Contains(Actions, action):
			return nil, fmt.Errorf("names the action %q, which is not one of %s", action, strings.Join(Actions, ", "))
		case twice:
			return nil, fmt.Errorf("names the action %q twice", action)
		}
		var err error
		if rates[action], err = parseRate(rate); err != nil {
			return nil, fmt.Errorf("has %q, %w", one, err)
		}
	}
	return rates, nil
}

func parseRate(text string) (Rate, error) {
	count, unit, _ := strings.Cut(text, "/")
	rate := Rate{Unit: units[unit]}
	if rate.Unit == 0 {
		return rate, fmt.Errorf("whose unit is %q, not s, m or h", unit)
	}
	var err error
	if rate.Count, err = strconv.Atoi(count); err != nil || rate.Count < 1 || rate.Count > maxCount {
		return rate, fmt.Errorf("whose count is %q, not a number from 1 to %d", count, maxCount)
	}
	return rate, nil
}
