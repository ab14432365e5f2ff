package httpapi

import (
	"encoding/json"
	"strings"

	"productindex/reindex"
)

// parseOptions reads the options of a run, from the query or from the fields of the body.
func parseOptions(rawQuery string, fields map[string]json.RawMessage) (options reindex.Options, err error) {
	if options.DryRun, err = boolOption(rawQuery, fields, "dryRun"); err != nil {
		return options, err
	}
	options.Difference, err = boolOption(rawQuery, fields, "difference")
	return options, err
}

// The booleans as JSON and queries have them.
const (
	yes = "true"
	no  = "false"
)

// boolOption reads a parameter that can be in the query or in the body. If it is in both, the values must be the same.
func boolOption(rawQuery string, fields map[string]json.RawMessage, name string) (set bool, err error) {
	values, err := parseQuery(rawQuery, name)
	if err != nil && strings.Contains(rawQuery, name) {
		return false, err // a query without the parameter is not parsed
	}
	var given []string
	if field, ok := fields[name]; ok {
		given = append(given, string(field))
	}
	if values.Has(name) {
		given = append(given, values.Get(name))
	}
	for _, text := range given {
		if text != yes && text != no {
			return false, invalid("Invalid "+name, "'"+name+"' is true or false, in the query or in the body")
		}
		if text != given[0] {
			return false, invalid("Ambiguous "+name, "'"+name+"' has different values in the query and in the body")
		}
	}
	return len(given) > 0 && given[0] == yes, nil
}
