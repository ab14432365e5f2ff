package estest

import "testing"

func TestParseRelease(t *testing.T) {
	for text, want := range map[string]Release{
		"":                     defaultRelease,
		"opensearch:2.19.6":    {"opensearch", "2.19.6"},
		"elasticsearch:8.11.4": {"elasticsearch", "8.11.4"},
	} {
		if got, err := ParseRelease(text); got != want || err != nil {
			t.Errorf("%q is parsed as %v, error %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"solr:9.0.0", "8.19.7", "opensearch:3", "elasticsearch:8.19.7/..", "elasticsearch:"} {
		if got, err := ParseRelease(text); err == nil {
			t.Errorf("%q is parsed as %v, want an error", text, got)
		}
	}
	if java := (Release{"elasticsearch", "9.4.5"}).java(); java != 21 {
		t.Errorf("Elasticsearch 9 needs Java %d, want 21", java)
	}
}
