package httpapi

import (
	"net/http"
	"testing"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

func TestDryRun(t *testing.T) {
	memory := reindextest.NewMemory()
	ix, sealing, release := held(memory)
	e := newEngine(t, reindextest.Slice(reindextest.Products(100, "1")), ix)
	s := serve(t, e, Config{})
	created := s.send("POST", jobsPath+"?dryRun=true", creation)
	job := created.job(t)
	if created.status != http.StatusCreated || job["dryRun"] != true {
		t.Fatalf("got %d %s, want 201 and a dry run", created.status, created.body)
	}
	<-sealing
	const busy = "Another kind of job is in progress"
	if got := s.send("POST", jobsPath, creation); got.status != http.StatusConflict || got.message.Message != busy {
		t.Errorf("a reindex during a dry run: got %d %s, want %d %s", got.status, got.body, http.StatusConflict, busy)
	}
	if got := s.post(full); got.status != http.StatusBadRequest || got.message.Code != http.StatusBadRequest ||
		got.message.Message != busy {
		t.Errorf("a reindex during a dry run: got %d %s, want %d %s", got.status, got.body, http.StatusBadRequest, busy)
	}
	got := s.send("POST", jobsPath, `{"entityType":"PRODUCT","dryRun":true}`)
	if got.status != http.StatusOK || got.job(t)["id"] != job["id"] {
		t.Errorf("a dry run during a dry run: got %d %s, want %d", got.status, got.body, http.StatusOK)
	}
	if got := s.post(`{"dryRun":true}`); got.status != http.StatusNoContent {
		t.Errorf("a dry run during a dry run: got %d %s, want %d", got.status, got.body, http.StatusNoContent)
	}
	release()
	id, _ := job["id"].(string)
	await(t, e, "acme", id)
	got = s.send("GET", jobsPath+"/"+id, "")
	ended := got.job(t)
	if ended["status"] != string(reindex.StatusSuccess) || ended["dryRun"] != true || ended["message"] != nil {
		t.Errorf("the job is %v, want a dry run that succeeded, without a message", ended)
	}
	if memory.Documents("acme") != nil {
		t.Error("the dry run has made its index live")
	}
}

func TestDryRunIsTrueOrFalse(t *testing.T) {
	s := serve(t, &fakeEngine{}, Config{})
	for _, target := range []string{jobsPath, reindexPath} {
		for _, bad := range []struct{ query, body string }{
			{"?dryRun=1", creation}, {"?dryRun=", creation}, {"?dryRun=true&dryRun=true", creation}, {"?dryRun=%ZZ", creation},
			{"", `{"entityType":"PRODUCT","dryRun":"true"}`}, {"", `{"entityType":"PRODUCT","dryRun":null}`},
			{"?dryRun=true", `{"entityType":"PRODUCT","dryRun":false}`},
		} {
			if got := s.send("POST", target+bad.query, bad.body); got.status != http.StatusBadRequest {
				t.Errorf("%s%s %s: got %d %s, want 400", target, bad.query, bad.body, got.status, got.body)
			}
		}
		got := s.send("POST", target+"?dryRun=false", `{"entityType":"PRODUCT","dryRun":false}`)
		if got.status >= http.StatusBadRequest {
			t.Errorf("%s, both false: got %d %s, want a success", target, got.status, got.body)
		}
	}
}

func TestDifference(t *testing.T) {
	ix := reindextest.NewMemory()
	first := newEngine(t, reindextest.Slice(reindextest.Products(10, "1")), ix)
	if _, err := first.Run(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	e := newEngine(t, reindextest.Slice(reindextest.Products(12, "2")[1:]), ix)
	s := serve(t, e, Config{})
	plain := s.create(creation)
	await(t, e, "acme", plain)
	if got := s.send("GET", jobsPath+"/"+plain+"/difference", ""); got.status != http.StatusNotFound {
		t.Errorf("a job that was not asked for it: got %d %s, want %d", got.status, got.body, http.StatusNotFound)
	}
	id := s.create(`{"entityType":"PRODUCT","dryRun":true,"difference":true}`)
	await(t, e, "acme", id)
	got := s.send("GET", jobsPath+"/"+id+"/difference", "")
	const want = `{"addedCount":0,"removedCount":0,"changedCount":0,"unchangedCount":11,"editedCount":0,"added":[],` +
		`"removed":[],"changed":[]}`
	if got.status != http.StatusOK || got.body != want {
		t.Errorf("got %d %s, want %s", got.status, got.body, want)
	}
}
