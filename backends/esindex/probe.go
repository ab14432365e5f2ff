package esindex

import (
	"maps"
	"strings"
	"sync"
)

// abilities records which features of the default settings and mappings the server lacks. It learns them when the
// server refuses to create an index, not from the server's name or version. It is safe for concurrent use.
type abilities struct {
	mu                    sync.Mutex
	noLimit, noSubobjects bool
}

const (
	ignoreBeyondLimit = "index.mapping.total_fields.ignore_dynamic_beyond_limit"
	subobjects        = "subobjects"
)

// adapt returns the settings and mappings without the features that the server lacks. It leaves those of the host
// unchanged.
func (a *abilities) adapt(s settings, m mappings) (settings, mappings) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.noLimit && s.byDefault {
		s.create = maps.Clone(s.create)
		delete(s.create, ignoreBeyondLimit)
	}
	if a.noSubobjects && m.byDefault {
		m.fields = maps.Clone(m.fields)
		delete(m.fields, subobjects)
	}
	return s, m
}

// learn reports whether the server has refused a call because of a feature that can be left out, and records that the
// server lacks it.
func (a *abilities) learn(err error, s settings, m mappings) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !hasType(err, "illegal_argument_exception", "mapper_parsing_exception", "settings_exception") {
		return false
	}
	refused := func(what string) bool { return strings.Contains(err.Error(), "unknown setting ["+what) }
	switch {
	case s.byDefault && refused(ignoreBeyondLimit):
		a.noLimit = true
	case m.byDefault && strings.Contains(err.Error(), "unsupported parameters:  ["+subobjects):
		a.noSubobjects = true
	default:
		return false
	}
	return true
}

// lacksSubobjects reports whether the server has refused the parameter "subobjects".
func (a *abilities) lacksSubobjects() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.noSubobjects
}
