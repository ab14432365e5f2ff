package esindex

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// DefaultMappings are the mappings of an index if [Config] sets none. They accept every JSON object that the server can
// store:
//   - Objects have no mappings of their own ("subobjects": false): {"size":{"width":3}} is the field size.width. So a
//     field may be an object in one product and a value in another. A server that does not know the parameter, such as
//     OpenSearch, stores such a field without searching it; the first run that meets one reads the source again.
//   - Text and booleans are full text. <field>.keyword has their exact values, for filters, sorting and facets.
//   - Numbers are doubles, so that ranges work. <field>.keyword has their exact values. A field is numeric if its first
//     value is a number, or if the first product with the field has both numbers and text in it; text in such a field
//     is found only under <field>.keyword.
//   - Dates are text: a date field would reject a product whose date has another format.
//   - Fields beyond the first thousand are stored but not searched, and counted in Report.Ignored (by the default
//     setting mapping.total_fields.ignore_dynamic_beyond_limit). A text or numeric field counts as two. Servers that do
//     not know the setting (Elasticsearch before 8.14, OpenSearch) instead reject a product with a further new field.
//
// The only analyzer is "standard". For the stemming of a language, or for other numeric types, set Config.Mappings.
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
	numberField = `{"type": "double", "ignore_malformed": true, "fields": {"keyword": {"type": "keyword", ` +
		`"ignore_above": 1024}}}`
)

// defaultSettings are the settings that go with DefaultMappings.
const defaultSettings = `{"index.mapping.total_fields.ignore_dynamic_beyond_limit": true}`

const (
	refreshInterval = "index.refresh_interval"
	replicas        = "index.number_of_replicas"
	expandReplicas  = "index.auto_expand_replicas"
	activeShards    = "index.write.wait_for_active_shards"
	hidden          = "index.hidden"
)

// settings are the parsed Config.Settings.
type settings struct {
	create    map[string]any // flat, for the creation of the index
	wait      bool           // the settings ask for replicas
	byDefault bool           // they are defaultSettings
}

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

// flat returns nested settings by their full names, which begin with "index.".
func flat(nested map[string]any) map[string]any {
	out := map[string]any{}
	flatten("", nested, out)
	return out
}

// flatten adds nested settings to flat by their full names.
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

// mappings are the parsed Config.Mappings.
type mappings struct {
	fields    map[string]json.RawMessage
	meta      map[string]json.RawMessage
	byDefault bool // they are DefaultMappings
}

// names reports whether the mappings have the parameter.
func (m mappings) names(parameter string) bool {
	_, ok := m.fields[parameter]
	return ok
}

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

// markedMeta returns the _meta of the mappings with the mark added.
func (m mappings) markedMeta(mk mark) map[string]any {
	meta := map[string]any{}
	for name, value := range m.meta {
		meta[name] = value
	}
	meta[markKey] = mk
	return meta
}

// marked returns the mappings with the mark added to their _meta.
func (m mappings) marked(mk mark) map[string]any {
	out := map[string]any{}
	for name, value := range m.fields {
		out[name] = value
	}
	out["_meta"] = m.markedMeta(mk)
	return out
}

// decode decodes a text that must be exactly one JSON object.
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

// tenantPlace is the placeholder for the tenant in the names of Config.Aliases.
const tenantPlace = "{tenant}"

// expandAlias returns the name of an alias of Config.Aliases for the tenant.
func expandAlias(name, tenant string) string {
	return strings.ReplaceAll(name, tenantPlace, encodeTenant(tenant))
}

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
			return nil, fmt.Errorf("field Aliases: the name %q must match %s, apart from %s, and have at most %d bytes",
				name, aliasGrammar, tenantPlace, maxPrefixBytes)
		case strings.HasPrefix(name, prefix+"-"):
			return nil, fmt.Errorf("field Aliases: the name %q must not begin with %s-, as the tenants' own aliases do", name,
				prefix)
		case d == nil:
			return nil, fmt.Errorf("field Aliases: %q must be an object, such as {}", name)
		}
	}
	return aliases, nil
}
