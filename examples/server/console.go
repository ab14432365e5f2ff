package main

import (
	"context"
	"encoding/json"
	"errors"

	"productindex/httpapi/console"
	"productindex/reindex"
)

// consoleSearch returns the console's search. The last word may be the beginning of a word if the backend supports
// that.
func consoleSearch(index backend) func(ctx context.Context, tenant, text string) (console.Found, error) {
	return func(ctx context.Context, tenant, text string) (console.Found, error) {
		answer, err := index.search(ctx, tenant, question{Text: text, Prefix: true})
		if errors.Is(err, errPlainOnly) {
			answer, err = index.search(ctx, tenant, question{Text: text})
		}
		if errors.Is(err, errNoIndex) {
			return console.Found{}, reindex.ErrNoLiveIndex
		}
		if err != nil {
			return console.Found{}, err
		}
		shown := console.Found{Total: answer.Total}
		for _, hit := range answer.Hits {
			shown.Hits = append(shown.Hits, console.Hit{ID: hit.ID, Name: nameOf(hit.Product), Product: hit.Product})
		}
		return shown, nil
	}
}

// nameOf returns the name of a product, in one of its languages. It is empty if the product has no member name.
func nameOf(product json.RawMessage) string {
	var named struct {
		Name json.RawMessage `json:"name"`
	}
	var name string
	var languages map[string]string
	if json.Unmarshal(product, &named) != nil || json.Unmarshal(named.Name, &name) == nil {
		return name
	}
	if json.Unmarshal(named.Name, &languages) != nil {
		return ""
	}
	for _, language := range []string{"en", "de"} {
		if languages[language] != "" {
			return languages[language]
		}
	}
	for _, name = range languages {
		break
	}
	return name
}
