package esindex

import (
	"maps"
	"strings"
	"sync"
)

// abilities are what the server turned out to lack of what our own settings and mappings ask for. They are learned from
// the first index that it refuses to create, whatever the server calls itself.
type abilities struct {
	mu                    sync.Mutex
	noLimit, noSubobjects bool
}

const (
	ignoreBeyondLimit = "index.mapping.total_fields.ignore_dynamic_beyond_limit"
	subobjects        = "subobjects"
)

// adapt returns the settings and the mappings without what the server lacks. Settings of the host stay.
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

// learn reports whether err is the server's answer to a setting or a parameter that it does not know, and that can be
// left out.
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

// lacksSubobjects reports whether the server turned out not to know the parameter.
func (a *abilities) lacksSubobjects() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.noSubobjects
}
