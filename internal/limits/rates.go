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
	Register = "register" // per address
	Login    = "login"    // per address, and per account
	Send     = "send"     // per user: every write that other users receive
	Search   = "search"   // per user: every expensive read
)

// Actions are all actions, in the order of Rates.String.
var Actions = []string{Register, Login, Send, Search}

// Defaults are the rates of the actions that are not named in a text for Parse.
const Defaults = "register=30/h,login=20/m,send=50/s,search=10/s"

// maxCount bounds the count of a rate: beyond it, times and permits would be inexact.
const maxCount = 1_000_000

// Rate is the limit of an action: Count times at once, and Count times per Unit from then on.
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

// interval is the time in which one permit becomes available.
func (r Rate) interval() time.Duration { return r.Unit / time.Duration(r.Count) }

// batch is the number of permits that are settled together: a fifth of those granted per second, 1-10.
func (r Rate) batch() int {
	const limit = 10
	return int(min(limit, max(1, time.Duration(r.Count)*time.Second/r.Unit/5)))
}

// Rates are the limits by action. An action without a rate has no limit; nil limits nothing.
type Rates map[string]Rate

// String formats the rates for Parse.
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

// Parse reads "off", which is nil, or rates such as "login=20/m,send=50/s". An action that is not named has its
// default.
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
