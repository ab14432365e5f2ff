package source_test

import (
	"slices"
	"strings"
	"testing"

	"productindex/reindex"
	"productindex/source"
)

func TestLocalize(t *testing.T) {
	const boot = `{"id":"p","name":{"en":"Boot","de":"Stiefel"},"description":"plain","language":"x",` +
		`"variants":[{"label":{"de":"Rot","fr":"Rouge"}},{}],"price":9.90}`
	for name, test := range map[string]struct {
		l    source.Localization
		body string
		want []string
	}{
		"fields": {
			source.Localization{Fields: []string{"name", "description", "**.label"}}, boot,
			[]string{`p {"id":"p","name":{"en":"Boot","de":"Stiefel"},"description":"plain","language":"x",` +
				`"variants":[{"label":{"de":"Rot","fr":"Rouge"}},{}],"price":9.90}`},
		},
		"fields of some languages": {
			source.Localization{Fields: []string{"name", "variants.label"}, Languages: []string{"fr", "de"}}, boot,
			[]string{`p {"id":"p","name":{"de":"Stiefel"},"description":"plain","language":"x",` +
				`"variants":[{"label":{"de":"Rot","fr":"Rouge"}},{}],"price":9.90}`},
		},
		"documents": {
			source.Localization{Fields: []string{"name", "description", "**.label"}, DocumentPerLanguage: true}, boot,
			[]string{
				`p@en {"language":"en","id":"p","name":"Boot","description":"plain","variants":[{},{}],"price":9.90}`,
				`p@de {"language":"de","id":"p","name":"Stiefel","description":"plain","variants":[{"label":"Rot"},` +
					`{}],"price":9.90}`,
				`p@fr {"language":"fr","id":"p","description":"plain","variants":[{"label":"Rouge"},{}],"price":9.90}`,
			},
		},
		"documents of some languages": {
			source.Localization{
				Fields: []string{"name"}, Languages: []string{"it", "de"}, Fallback: []string{"fr", "en"},
				DocumentPerLanguage: true,
			},
			`{"name":{"en":"Boot","de":"Stiefel"}}`,
			[]string{`p@it {"language":"it","name":"Boot"}`, `p@de {"language":"de","name":"Stiefel"}`},
		},
		"null is not a text": {
			source.Localization{
				Fields: []string{"name"}, Languages: []string{"de", "en"}, Fallback: []string{"fr", "en"},
				DocumentPerLanguage: true,
			},
			`{"name":{"fr":null,"en":"Boot","de":null}}`,
			[]string{`p@de {"language":"de","name":"Boot"}`, `p@en {"language":"en","name":"Boot"}`},
		},
		"null is not a language": {
			source.Localization{Fields: []string{"*"}, DocumentPerLanguage: true},
			`{"name":{"en":"Boot","de":null},"label":{"fr":null}}`,
			[]string{`p@en {"language":"en","name":"Boot"}`},
		},
		"null in fields": {
			source.Localization{Fields: []string{"*"}}, `{"name":{"en":"Boot","de":null},"label":{"fr":null},"none":null}`,
			[]string{`p {"name":{"en":"Boot"},"none":null}`},
		},
		"case": {
			source.Localization{
				Fields: []string{"*"}, Languages: []string{"DE", "en-gb"}, Fallback: []string{"EN"}, DocumentPerLanguage: true,
			},
			`{"name":{"De":"Stiefel","en_GB":"Wellie"},"label":{"en":"new"}}`,
			[]string{
				`p@DE {"language":"DE","name":"Stiefel","label":"new"}`,
				`p@en-gb {"language":"en-gb","name":"Wellie","label":"new"}`,
			},
		},
		"usual spelling": {
			source.Localization{Fields: []string{"*"}, DocumentPerLanguage: true},
			`{"name":{"DE-at":"a","ZH-HANS-cn":"b"},"label":{"de-AT":"c","EN":"d","en":"e","Pt_br":"f"}}`,
			[]string{
				`p@de-AT {"language":"de-AT","name":"a","label":"c"}`, `p@zh-Hans-CN {"language":"zh-Hans-CN","name":"b"}`,
				`p@en {"language":"en","label":"d"}`, `p@pt-BR {"language":"pt-BR","label":"f"}`,
			},
		},
		"case in fields": {
			source.Localization{Fields: []string{"*"}}, `{"name":{"EN":null,"en":"Boot","DE":"Stiefel","de":"Schuh"}}`,
			[]string{`p {"name":{"en":"Boot","de":"Stiefel"}}`},
		},
		"list": {
			source.Localization{Fields: []string{"*"}},
			`{"name":[{"language":"en","value":"Boot"}, {"value":"Stiefel","language":"DE"}],"label":[{"locale":"de_AT",` +
				`"text":"neu"}],"tags":["a"],"none":[],"more":[{"language":"de"}]}`,
			[]string{
				`p {"name":{"en":"Boot","de":"Stiefel"},"label":{"de-AT":"neu"},"tags":["a"],"none":[],"more":[{"language":"de"}]}`,
			},
		},
		"documents of a list": {
			source.Localization{Fields: []string{"variants.name"}, DocumentPerLanguage: true},
			`{"variants":[{"name":[{"language":"en","value":"Boot"},{"language":"de","value":"Stiefel"}]}]}`,
			[]string{
				`p@en {"language":"en","variants":[{"name":"Boot"}]}`, `p@de {"language":"de","variants":[{"name":"Stiefel"}]}`,
			},
		},
		"odd names": {
			source.Localization{Fields: []string{"na\"me"}}, `{"na\"me":{"e\nn":"a"}}`,
			[]string{`p {"na\"me":{"e\nn":"a"}}`},
		},
		"nothing left": {source.Localization{Fields: []string{"name"}}, `{"name":{}}`, []string{`p {}`}},
		"no map": {
			source.Localization{Fields: []string{"name"}, DocumentPerLanguage: true}, `{"name":"Boot"}`,
			[]string{`p {"name":"Boot"}`},
		},
		"no object": {
			source.Localization{Fields: []string{"name"}, Languages: []string{"de", "en"}, DocumentPerLanguage: true}, `[1]`,
			[]string{`p [1]`},
		},
	} {
		got := bodies(t, func(s reindex.Source) (reindex.Source, error) { return source.Localize(s, test.l) }, test.body)
		if !slices.Equal(got, test.want) {
			t.Errorf("%s:\ngot\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(test.want, "\n"))
		}
	}
	for want, l := range map[string]source.Localization{
		"no field path":        {},
		"field path":           {Fields: []string{"a."}},
		"is empty or repeated": {Fields: []string{"a"}, Languages: []string{"de-AT", "de_at"}},
		"Fallback needs":       {Fields: []string{"a"}, Fallback: []string{"de"}},
	} {
		if _, err := source.Localize(nil, l); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got error %v, want one with %q", l, err, want)
		}
	}
}
