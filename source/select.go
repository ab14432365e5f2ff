package source

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"productindex/reindex"
	"productindex/source/internal/public"
	"productindex/source/internal/rawjson"
)

// Select returns a source whose products have only the fields that match one of the paths, with everything below them.
//
// A path consists of the names of members from the outside in, separated by dots: "price", "metadata.mixins". In place
// of a name, * stands for any name, and ** for any number of names, including none: "**.label" matches every label at
// any depth. A backslash makes the next character a part of the name. Arrays have no segment of their own:
// "variants.sku" matches the sku of each variant. An object or an array in which nothing is selected is left out.
//
// The text of the selected fields does not change. Select passes a body that is not a JSON object on unchanged, and the
// engine rejects it. The error names a malformed path. The source counts if src does. If no product has any of the
// fields, a read ends with an error that names the paths, because they are probably misspelt.
func Select(src reindex.Source, paths ...string) (reindex.Source, error) {
	return prune(src, paths, true)
}

// Exclude returns a source whose products lack the fields that match one of the paths, with everything below them. See
// [Select] for the form of paths. Objects and arrays that become empty stay. The source counts if src does.
func Exclude(src reindex.Source, paths ...string) (reindex.Source, error) {
	return prune(src, paths, false)
}

func prune(src reindex.Source, patterns []string, keep bool) (reindex.Source, error) {
	parsed, err := parsePaths(patterns)
	if err != nil {
		return nil, err
	}
	f := &flow{src: src, times: 1}
	f.change = func(_ context.Context, s *flowSnapshot, p reindex.Product, emit emitter) (bool, error) {
		if !isObject(p.Body) {
			return emit(p), nil
		}
		w := pruner{paths: parsed, keep: keep}
		w.stack = parsed.start(w.space[:0])
		var found bool
		p.Body, found = w.object(make([]byte, 0, len(p.Body)), p.Body, w.stack)
		s.read.products.Add(1)
		if found {
			s.read.matching.Add(1)
		}
		return emit(p), nil
	}
	if keep {
		f.complete = func(s *flowSnapshot) error {
			if n := s.read.products.Load(); n > 0 && s.read.matching.Load() == 0 {
				return fmt.Errorf("source: tenant %q: %w", s.tenant, public.Errorf(
					"none of the selected fields, %q, is in any of %d products: each would be indexed as {}", patterns, n))
			}
			return nil
		}
	}
	return f.source(), nil
}

// isObject reports whether body is valid JSON, and an object.
func isObject(body []byte) bool {
	return json.Valid(body) && bytes.TrimLeft(body, " \t\r\n")[0] == '{'
}

// pruner copies the fields of one product that are kept.
type pruner struct {
	paths paths
	keep  bool       // keep the matching fields; otherwise the others
	stack []position // the positions of all levels
	space [32]position
}

// object appends an object and reports whether anything in it matched.
func (w *pruner) object(dst, object []byte, at []position) ([]byte, bool) {
	dst = append(dst, '{')
	start, found := len(dst), false
	for quoted, value := range rawjson.Members(object) {
		before, depth := len(dst), len(w.stack)
		if before > start {
			dst = append(dst, ',')
		}
		dst = append(append(dst, quoted...), ':')
		var full, matched bool
		w.stack, full = w.paths.step(w.stack, at, nameOf(quoted))
		next := w.stack[depth:]
		if full {
			dst, matched = append(dst, value...), true
		} else {
			dst, matched = w.value(dst, value, next)
		}
		w.stack = w.stack[:depth]
		found = found || matched
		if w.keep && !matched || !w.keep && full {
			dst = dst[:before]
		}
	}
	return append(dst, '}'), found
}

// value appends a value that does not match as a whole.
func (w *pruner) value(dst, value []byte, at []position) ([]byte, bool) {
	switch {
	case len(at) == 0: // nothing below can match
		return append(dst, value...), false
	case value[0] == '{':
		return w.object(dst, value, at)
	case value[0] != '[':
		return append(dst, value...), false
	}
	dst = append(dst, '[')
	start, found := len(dst), false
	for element := range rawjson.Elements(value) {
		before := len(dst)
		if before > start {
			dst = append(dst, ',')
		}
		var matched bool
		dst, matched = w.value(dst, element, at)
		found = found || matched
		if w.keep && !matched {
			dst = dst[:before]
		}
	}
	return append(dst, ']'), found
}

// nameOf returns the value of a quoted name.
func nameOf(quoted []byte) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	return []byte(rawjson.Text(quoted))
}
