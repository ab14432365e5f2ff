package esindex

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
)

// DefaultMappings are the mappings of an index whose [Config] has none. They take every JSON object that Elasticsearch can store:
//   - Objects have no mappings of their own ("subobjects": false): {"size":{"width":3}} is the field size.width. So a field may be an
//     object in one product and a value in another.
//   - Text and booleans are full text, and under <field>.keyword exact values for filters, sorting and facets.
//   - Numbers are doubles, so that ranges work, and under <field>.keyword exact values. A field is a number where its first value is
//     one; what is no number later on is found under <field>.keyword alone.
//   - Dates stay text: a product whose date is written differently would be rejected.
//   - From the thousandth field on, further ones are stored but not searchable (in the default settings:
//     mapping.total_fields.ignore_dynamic_beyond_limit, Elasticsearch 8.14). Text counts as two fields, and so do numbers.
//
// Only the analyzer "standard" is used. For a language's stemming, or facets on numbers of another kind, set Config.Mappings.
const DefaultMappings = `{
	"subobjects": false,
	"date_detection": false,
	"dynamic_templates": [
		{"text": {"match_mapping_type": ["string", "boolean"], "mapping": {
			"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 1024}}}}},
		{"numbers": {"match_mapping_type": ["long", "double"], "mapping": {
			"type": "double", "ignore_malformed": true, "fields": {"keyword": {"type": "keyword", "ignore_above": 1024}}}}}
	]
}`

// defaultSettings belong to DefaultMappings.
const defaultSettings = `{"index.mapping.total_fields.ignore_dynamic_beyond_limit": true}`

const (
	refreshInterval = "index.refresh_interval"
	replicas        = "index.number_of_replicas"
	expandReplicas  = "index.auto_expand_replicas"
	hidden          = "index.hidden"
)

// settings are the host's in the two forms that a generation goes through.
type settings struct {
	load    map[string]any // to create the index with
	restore map[string]any // to set before it is counted
	wait    bool           // the host asked for replicas
}

// parseSettings reads the host's settings.
func parseSettings(text []byte) (settings, error) {
	var nested map[string]any
	if err := decode(text, &nested); err != nil {
		return settings{}, fmt.Errorf("field Settings: %w", err)
	}
	flat := map[string]any{}
	flatten("", nested, flat)
	s := settings{load: maps.Clone(flat), restore: map[string]any{}}
	for _, name := range []string{refreshInterval, replicas, expandReplicas} {
		value, set := flat[name]
		delete(s.load, name)
		if set || name != expandReplicas {
			s.restore[name] = value
		}
		s.wait = s.wait || set && name != refreshInterval
	}
	s.load[refreshInterval], s.load[replicas], s.load[hidden] = -1, 0, true
	return s, nil
}

// flatten writes nested settings under their full names, which start with "index.".
func flatten(path string, nested, flat map[string]any) {
	for name, value := range nested {
		name = path + name
		if object, ok := value.(map[string]any); ok {
			flatten(name+".", object, flat)
			continue
		}
		if !strings.HasPrefix(name, "index.") {
			name = "index." + name
		}
		flat[name] = value
	}
}

// mappings are the host's, apart from their _meta.
type mappings struct {
	fields map[string]json.RawMessage
	meta   map[string]json.RawMessage
}

// parseMappings reads the host's mappings.
func parseMappings(text []byte) (mappings, error) {
	var m mappings
	if err := decode(text, &m.fields); err != nil {
		return m, fmt.Errorf("field Mappings: %w", err)
	}
	if meta, ok := m.fields["_meta"]; ok {
		if err := decode(meta, &m.meta); err != nil {
			return m, fmt.Errorf("field Mappings: _meta: %w", err)
		}
	}
	return m, nil
}

// markedMeta is the mappings' _meta with our mark.
func (m mappings) markedMeta(mk mark) map[string]any {
	meta := map[string]any{}
	for name, value := range m.meta {
		meta[name] = value
	}
	meta[markKey] = mk
	return meta
}

// marked are the mappings with our mark.
func (m mappings) marked(mk mark) map[string]any {
	out := map[string]any{}
	for name, value := range m.fields {
		out[name] = value
	}
	out["_meta"] = m.markedMeta(mk)
	return out
}

// decode reads one JSON object.
func decode[T ~map[string]V, V any](text []byte, into *T) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return err
	}
	if *into == nil || d.More() {
		return errors.New("it must be one JSON object")
	}
	return nil
}
