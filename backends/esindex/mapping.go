package esindex

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// DefaultMappings are the mappings of an index whose [Config] has none. They take every JSON object that the server can
// store:
//   - Objects have no mappings of their own ("subobjects": false): {"size":{"width":3}} is the field size.width. So a
//     field may be an object in one product and a value in another. A server that does not know the parameter, as
//     OpenSearch, keeps such a field and does not search it: the first run that meets one reads the source again.
//   - Text and booleans are full text, and under <field>.keyword exact values for filters, sorting and facets.
//   - Numbers are doubles, so that ranges work, and under <field>.keyword exact values. A field is a number if its
//     first value is one, or if the first product that has it has numbers and text in it; a text in it is found
//     under <field>.keyword alone.
//   - Dates stay text: a product whose date is written differently would be rejected.
//   - From the thousandth field on, further ones are kept but not searched, and counted in Report.Ignored (in the
//     default settings: mapping.total_fields.ignore_dynamic_beyond_limit). Text counts as two fields, and so do
//     numbers. A server that does not know the setting, Elasticsearch before 8.14 and OpenSearch, rejects a product
//     with a new field then.
//
// Only the analyzer "standard" is used. For a language's stemming, or facets on numbers of another kind, set
// Config.Mappings.
const DefaultMappings = `{
	"dynamic": true,
	"subobjects": false,
	"date_detection": false,
	"dynamic_templates": [
		{"text": {"match_mapping_type": "string", "mapping": ` + textField + `}},
		{"booleans": {"match_mapping_type": "boolean", "mapping": ` + textField + `}},
		{"integers": {"match_mapping_type": "long", "mapping": ` + numberField + `}},
		{"decimals": {"match_mapping_type": "double", "mapping": ` + numberField + `}}
	]
}`

const (
	textField   = `{"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 1024}}}`
	numberField = `{"type": "double", "ignore_malformed": true, "fields": {"keyword": {"type": "keyword", "ignore_above": 1024}}}`
)

// defaultSettings belong to DefaultMappings.
const defaultSettings = `{"index.mapping.total_fields.ignore_dynamic_beyond_limit": true}`

const (
	refreshInterval = "index.refresh_interval"
	replicas        = "index.number_of_replicas"
	expandReplicas  = "index.auto_expand_replicas"
	activeShards    = "index.write.wait_for_active_shards"
	hidden          = "index.hidden"
)

// settings are the host's.
type settings struct {
	create    map[string]any // to create the index with
	wait      bool           // the host asked for replicas
	byDefault bool           // they are our own
}

// parseSettings reads the host's settings.
func parseSettings(text []byte) (settings, error) {
	var nested map[string]any
	if err := decode(text, &nested); err != nil {
		return settings{}, fmt.Errorf("field Settings: %w", err)
	}
	s := settings{create: flat(nested)}
	for _, name := range []string{replicas, expandReplicas} {
		_, set := s.create[name]
		s.wait = s.wait || set
	}
	s.create[hidden] = true
	return s, nil
}

// flat returns nested settings under their full names.
func flat(nested map[string]any) map[string]any {
	out := map[string]any{}
	flatten("", nested, out)
	return out
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
	fields    map[string]json.RawMessage
	meta      map[string]json.RawMessage
	byDefault bool // they are our own
}

// names reports whether the mappings have the parameter.
func (m mappings) names(parameter string) bool {
	_, ok := m.fields[parameter]
	return ok
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

// tenantPlace is where the tenant stands in the name of an alias of the host.
const tenantPlace = "{tenant}"

// expandAlias is the name of a host's alias for the tenant.
func expandAlias(name, tenant string) string {
	return strings.ReplaceAll(name, tenantPlace, encodeTenant(tenant))
}

// parseAliases reads the host's aliases.
func parseAliases(text []byte, prefix string) (map[string]definition, error) {
	aliases := map[string]definition{}
	if text == nil {
		return aliases, nil
	}
	if err := decode(text, &aliases); err != nil {
		return nil, fmt.Errorf("field Aliases: %w", err)
	}
	for name, d := range aliases {
		plain := strings.ReplaceAll(name, tenantPlace, "a")
		switch {
		case !aliasGrammar.MatchString(plain) || len(name) > maxPrefixBytes:
			return nil, fmt.Errorf("field Aliases: the name %q must match %s, beside %s, and have at most %d bytes",
				name, aliasGrammar, tenantPlace, maxPrefixBytes)
		case strings.HasPrefix(name, prefix+"-"):
			return nil, fmt.Errorf("field Aliases: the name %q begins as those of the tenants' own aliases do, %s-", name, prefix)
		case d == nil:
			return nil, fmt.Errorf("field Aliases: %q must be an object, such as {}", name)
		}
	}
	return aliases, nil
}
