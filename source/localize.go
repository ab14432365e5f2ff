package source

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"productindex/reindex"
	"productindex/source/internal/jsonenc"
	"productindex/source/internal/rawjson"
)

// Localization says what [Localize] makes of texts that are maps from language to text.
type Localization struct {
	// Fields are the paths of the fields that hold such maps, such as "name" or "**.label"; see [Select] for their form. A field that
	// holds no object is the same in all languages.
	Fields []string

	// Languages are those to keep, such as "en" and "de". Empty: those that a product has.
	Languages []string

	// Fallback are the languages whose text stands in where a document's own has none, the first one first.
	// Only with DocumentPerLanguage.
	Fallback []string

	// DocumentPerLanguage makes one document of each language: each map is replaced by its text in that language, or left out where
	// there is none. The document's id is the product's, an @ and the language; its member "language" is the language. A product
	// without any map, where Languages is empty, stays one document, as it is.
	//
	// Otherwise a product stays one document, and each map becomes one member a language: "name" becomes "name_en" and "name_de".
	// Where the object has a member of that name already, that one stays.
	DocumentPerLanguage bool
}

// Localize returns a source whose products are localized as l says. A body that is no JSON object passes unchanged, for the engine to
// reject. It counts as src does, where the number of documents is the same for each product: with Languages, or without
// DocumentPerLanguage. The error names a field path that is malformed.
func Localize(src reindex.Source, l Localization) (reindex.Source, error) {
	parsed, err := parsePaths(l.Fields)
	if err != nil {
		return nil, err
	}
	if len(l.Fallback) > 0 && !l.DocumentPerLanguage {
		return nil, errors.New("source: Localization.Fallback needs DocumentPerLanguage")
	}
	for i, language := range l.Languages {
		if language == "" || slices.Contains(l.Languages[:i], language) {
			return nil, fmt.Errorf("source: Localization.Languages: %q is empty or comes twice", language)
		}
	}
	l.Languages, l.Fallback = slices.Clone(l.Languages), slices.Clone(l.Fallback)
	lo := localizer{paths: parsed, Localization: l}
	switch {
	case !l.DocumentPerLanguage:
		return newFlow(src, 1, lo.fields), nil
	case len(l.Languages) > 0:
		return newFlow(src, int64(len(l.Languages)), lo.documents), nil
	default:
		return newFlow(src, 0, lo.documents), nil
	}
}

type localizer struct {
	Localization

	paths paths
}

// fields makes one document with a member a language.
func (l localizer) fields(_ context.Context, _ string, p reindex.Product, emit func(reindex.Product) bool) (bool, error) {
	if isObject(p.Body) {
		p.Body = l.rewrite(p.Body, l.appendFields)
	}
	return emit(p), nil
}

// documents makes one document a language.
func (l localizer) documents(_ context.Context, _ string, p reindex.Product, emit func(reindex.Product) bool) (bool, error) {
	if !isObject(p.Body) {
		return emit(p), nil // rejected once, under the id that it has
	}
	languages := l.Languages
	if len(languages) == 0 {
		languages = l.languagesOf(p.Body)
	}
	if len(languages) == 0 {
		return emit(p), nil
	}
	for _, language := range languages {
		body := l.rewrite(p.Body, func(dst, _, quoted, texts []byte) []byte {
			return l.appendText(dst, quoted, texts, language)
		})
		if !emit(reindex.Product{ID: p.ID + "@" + language, Body: withLanguage(body, language)}) {
			return false, nil
		}
	}
	return true, nil
}

// appendFields appends one member a language, each with a comma after it. object is where the map stands.
func (l localizer) appendFields(dst, object, quoted, texts []byte) []byte {
	name := rawjson.Text(quoted)
	for language, text := range rawjson.Members(texts) {
		language := rawjson.Text(language)
		member := name + "_" + language
		if len(l.Languages) > 0 && !slices.Contains(l.Languages, language) || rawjson.Get(object, member) != nil {
			continue
		}
		dst = append(append(append(jsonenc.AppendString(dst, member), ':'), text...), ',')
	}
	return dst
}

// appendText appends the member with its text in a language, with a comma after it.
func (l localizer) appendText(dst, quoted, texts []byte, language string) []byte {
	text := rawjson.Get(texts, language)
	for i := 0; text == nil && i < len(l.Fallback); i++ {
		text = rawjson.Get(texts, l.Fallback[i])
	}
	if text == nil {
		return dst
	}
	return append(append(append(append(dst, quoted...), ':'), text...), ',')
}

// languagesOf returns the languages of all maps of a product, in the order in which they come up.
func (l localizer) languagesOf(body []byte) []string {
	var languages []string
	l.rewrite(body, func(dst, _, _, texts []byte) []byte {
		for quoted := range rawjson.Members(texts) {
			if language := rawjson.Text(quoted); !slices.Contains(languages, language) {
				languages = append(languages, language)
			}
		}
		return dst
	})
	return languages
}

// withLanguage returns the object with the member "language", which replaces one of that name.
func withLanguage(object []byte, language string) []byte {
	out := append(make([]byte, 0, len(object)+len(language)+16), `{"language":`...)
	out = jsonenc.AppendString(out, language)
	for quoted, value := range rawjson.Members(object) {
		if string(nameOf(quoted)) != "language" {
			out = append(append(append(append(out, ','), quoted...), ':'), value...)
		}
	}
	return append(out, '}')
}

// replaceMap appends what a language map becomes: members, each with a comma after it.
type replaceMap func(dst, object, quoted, texts []byte) []byte

// rewrite returns the object with its language maps replaced.
func (l localizer) rewrite(object []byte, replace replaceMap) []byte {
	w := rewriter{paths: l.paths, replace: replace}
	w.stack = l.paths.start(w.space[:0])
	return w.object(make([]byte, 0, len(object)+64), object, w.stack)
}

type rewriter struct {
	paths   paths
	replace replaceMap
	stack   []position // of all levels
	space   [32]position
}

func (w *rewriter) object(dst, object []byte, at []position) []byte {
	dst = append(dst, '{')
	start := len(dst)
	for quoted, value := range rawjson.Members(object) {
		depth := len(w.stack)
		var full bool
		w.stack, full = w.paths.step(w.stack, at, nameOf(quoted))
		if full && value[0] == '{' {
			dst = w.replace(dst, object, quoted, value)
		} else {
			dst = append(w.value(append(append(dst, quoted...), ':'), value, w.stack[depth:]), ',')
		}
		w.stack = w.stack[:depth]
	}
	if len(dst) > start {
		dst = dst[:len(dst)-1] // the last comma
	}
	return append(dst, '}')
}

func (w *rewriter) value(dst, value []byte, at []position) []byte {
	switch {
	case len(at) == 0:
		return append(dst, value...)
	case value[0] == '{':
		return w.object(dst, value, at)
	case value[0] != '[':
		return append(dst, value...)
	}
	dst = append(dst, '[')
	start := len(dst)
	for element := range rawjson.Elements(value) {
		dst = append(w.value(dst, element, at), ',')
	}
	if len(dst) > start {
		dst = dst[:len(dst)-1]
	}
	return append(dst, ']')
}
