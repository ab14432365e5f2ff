package source_test

import (
	"slices"
	"strings"
	"testing"

	"productindex/reindex"
	"productindex/source"
)

func TestLocalize(t *testing.T) {
	const boot = `{"id":"p","name":{"en":"Boot","de":"Stiefel"},"description":"plain","language":"x","variants":[{"label":{"de":"Rot","fr":"Rouge"}},{}],"price":9.90}`
	for name, test := range map[string]struct {
		l    source.Localization
		body string
		want []string
	}{
		"fields": {
			source.Localization{Fields: []string{"name", "description", "**.label"}}, boot,
			[]string{`p {"id":"p","name_en":"Boot","name_de":"Stiefel","description":"plain","language":"x","variants":[{"label_de":"Rot","label_fr":"Rouge"},{}],"price":9.90}`},
		},
		"fields of some languages": {
			source.Localization{Fields: []string{"name", "variants.label"}, Languages: []string{"fr", "de"}}, boot,
			[]string{`p {"id":"p","name_de":"Stiefel","description":"plain","language":"x","variants":[{"label_de":"Rot","label_fr":"Rouge"},{}],"price":9.90}`},
		},
		"documents": {
			source.Localization{Fields: []string{"name", "description", "**.label"}, DocumentPerLanguage: true}, boot,
			[]string{
				`p@en {"language":"en","id":"p","name":"Boot","description":"plain","variants":[{},{}],"price":9.90}`,
				`p@de {"language":"de","id":"p","name":"Stiefel","description":"plain","variants":[{"label":"Rot"},{}],"price":9.90}`,
				`p@fr {"language":"fr","id":"p","description":"plain","variants":[{"label":"Rouge"},{}],"price":9.90}`,
			},
		},
		"documents of some languages": {
			source.Localization{Fields: []string{"name"}, Languages: []string{"it", "de"}, Fallback: []string{"fr", "en"}, DocumentPerLanguage: true},
			`{"name":{"en":"Boot","de":"Stiefel"}}`,
			[]string{`p@it {"language":"it","name":"Boot"}`, `p@de {"language":"de","name":"Stiefel"}`},
		},
		"a taken name": {
			source.Localization{Fields: []string{"name"}}, `{"name":{"en":"a","de":"b"},"name_en":"mine"}`,
			[]string{`p {"name_de":"b","name_en":"mine"}`},
		},
		"odd names": {
			source.Localization{Fields: []string{"na\"me"}}, `{"na\"me":{"e\nn":"a"}}`,
			[]string{`p {"na\"me_e\nn":"a"}`},
		},
		"nothing left": {source.Localization{Fields: []string{"name"}}, `{"name":{}}`, []string{`p {}`}},
		"no map":       {source.Localization{Fields: []string{"name"}, DocumentPerLanguage: true}, `{"name":"Boot"}`, []string{`p {"name":"Boot"}`}},
		"no object": {
			source.Localization{Fields: []string{"name"}, Languages: []string{"de", "en"}, DocumentPerLanguage: true}, `[1]`, []string{`p [1]`},
		},
	} {
		got := bodies(t, func(s reindex.Source) (reindex.Source, error) { return source.Localize(s, test.l) }, test.body)
		if !slices.Equal(got, test.want) {
			t.Errorf("%s:\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(test.want, "\n"))
		}
	}
	for want, l := range map[string]source.Localization{
		"no field path":  {},
		"field path":     {Fields: []string{"a."}},
		"comes twice":    {Fields: []string{"a"}, Languages: []string{"de", "de"}},
		"Fallback needs": {Fields: []string{"a"}, Fallback: []string{"de"}},
	} {
		if _, err := source.Localize(nil, l); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", l, err)
		}
	}
}
