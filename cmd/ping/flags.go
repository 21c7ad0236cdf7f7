package main

import (
	"slices"

	"github.com/urfave/cli/v3"

	"ping/internal/node"
)

// flags makes flags of the named settings, or of all when no name is given.
// defaults replaces the default of some settings, by name.
func flags(defaults map[string]string, names ...string) []cli.Flag {
	var all []cli.Flag
	for _, s := range node.Settings {
		if len(names) > 0 && !slices.Contains(names, s.Name) {
			continue
		}
		value, replaced := defaults[s.Name]
		if !replaced {
			value = s.Default
		}
		all = append(all, &cli.StringFlag{
			Name: s.Name, Category: s.Category, Usage: s.Usage, Value: value,
			Sources: cli.EnvVars(s.Env), HideDefault: value == "",
		})
	}
	return all
}
