package meilitest

import (
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
	"time"
)

// key is an API key. A nil key has no permissions.
type key struct {
	uid, value        string
	name, description any
	actions, indexes  []string
	created           time.Time
	expires           time.Time // zero if the key does not expire
	expiresAs         any
}

func defaultKeys() []*key {
	return []*key{
		newKey("Default Search API Key", "Use it to search from the frontend", "search"),
		newKey("Default Admin API Key",
			"Use it for anything that is not a search operation. Caution! Do not expose it on a public frontend", "*"),
		newKey("Default Read-Only Admin API Key",
			"Use it to read information across the whole database. Caution! Do not expose this key on a public frontend",
			"*.get", "keys.get"),
		newKey("Default Chat API Key", "Use it to chat and search from the frontend", "chatCompletions", "search"),
	}
}

func newKey(name, description string, actions ...string) *key {
	return &key{
		uid: newUUID(), value: rand.Text(), name: name, description: description, actions: actions, indexes: []string{"*"},
		created: time.Now(),
	}
}

func newUUID() string {
	t := strings.ToLower(rand.Text() + rand.Text())
	return t[:8] + "-" + t[8:12] + "-4" + t[13:16] + "-8" + t[17:20] + "-" + t[20:32]
}

var masterKey = &key{value: MasterKey, actions: []string{"*"}, indexes: []string{"*"}}

// allows reports whether the key permits the action.
func (k *key) allows(action string) bool {
	group, verb, _ := strings.Cut(action, ".")
	return slices.ContainsFunc(k.actions, func(a string) bool {
		return a == "*" || a == action || a == group+".*" || a == "*.get" && verb == "get" && group != "keys"
	})
}

// sees reports whether the key is valid for the index. If uid is "*", it reports whether the key is valid for all
// indexes.
func (k *key) sees(uid string) bool {
	return slices.ContainsFunc(k.indexes, func(pattern string) bool {
		prefix, star := strings.CutSuffix(pattern, "*")
		return pattern == uid || star && uid != "*" && strings.HasPrefix(uid, prefix)
	})
}

func (c *call) authorize(action, index string) error {
	value, found := strings.CutPrefix(c.r.Header.Get("Authorization"), "Bearer")
	if !found || value == "" && c.r.Header.Get("Authorization") != "Bearer" {
		return authError(http.StatusUnauthorized, "missing_authorization_header",
			"The Authorization header is missing. It must use the bearer authorization method.")
	}
	if c.key = c.s.findKey(strings.TrimSpace(value)); c.key == nil || !c.key.allows(action) {
		return invalidKey()
	}
	if index != "" && !c.key.sees(index) {
		return authError(http.StatusForbidden, "invalid_api_key",
			sprintf("The API key cannot acces the index `%s`, authorized indexes are %s.",
				index, strings.ReplaceAll(string(encode(anyList(c.key.indexes))), ",", ", ")))
	}
	return nil
}

func (s *Server) findKey(value string) *key {
	if value == MasterKey {
		return masterKey
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.keys {
		if k.value == value && (k.expires.IsZero() || time.Now().Before(k.expires)) {
			return k
		}
	}
	return nil
}

func (k *key) view() *object {
	return newObject("name", k.name, "description", k.description, "key", k.value, "uid", k.uid,
		"actions", anyList(k.actions), "indexes", anyList(k.indexes), "expiresAt", k.expiresAs,
		"createdAt", stamp(k.created), "updatedAt", stamp(k.created))
}

func anyList(values []string) []any {
	list := []any{}
	for _, v := range values {
		list = append(list, v)
	}
	return list
}

// keyActions are the actions that a key can permit, in the order of the server's messages.
var keyActions = strings.Fields(`* search documents.* documents.add documents.get documents.delete indexes.*
	indexes.create indexes.get indexes.update indexes.delete indexes.swap tasks.* tasks.cancel tasks.delete tasks.get
	settings.* settings.get settings.update stats.* stats.get metrics.* metrics.get dumps.* dumps.create snapshots.*
	snapshots.create version keys.create keys.get keys.update keys.delete experimental.get experimental.update export
	network.get network.update chatCompletions chats.* chats.get chats.delete chatsSettings.* chatsSettings.get
	chatsSettings.update *.get webhooks.get webhooks.update webhooks.delete webhooks.create webhooks.* indexes.compact
	fields.post tasks.compact dynamicSearchRules.get dynamicSearchRules.create dynamicSearchRules.update
	dynamicSearchRules.delete dynamicSearchRules.*`)

func (c *call) createKey() (answer, error) {
	body, err := c.object("uid", "name", "description", "actions", "indexes", "expiresAt")
	if err != nil {
		return answer{}, err
	}
	k := &key{uid: newUUID(), value: rand.Text(), created: time.Now()}
	if uid, there := body.get("uid"); there {
		k.uid, _ = uid.(string)
	}
	k.name, _ = body.get("name")
	k.description, _ = body.get("description")
	if k.actions, _, err = texts(body, "actions", "invalid_api_key_actions"); err != nil {
		return answer{}, err
	}
	for i, a := range k.actions {
		if !slices.Contains(keyActions, a) {
			return answer{}, badRequest("invalid_api_key_actions", "Unknown value `%s` at `.actions[%d]`: %s",
				a, i, expectedOneOf(keyActions))
		}
	}
	if k.indexes, _, err = texts(body, "indexes", "invalid_api_key_indexes"); err != nil {
		return answer{}, err
	}
	for i, pattern := range k.indexes {
		if name := strings.TrimSuffix(pattern, "*"); name != "" && !validUID(name) {
			return answer{}, badRequest("invalid_api_key_indexes",
				"Invalid value at `.indexes[%d]`: `%s` is not a valid index uid pattern. Index uid patterns can be an "+
					"integer or a string containing only alphanumeric characters, hyphens (-), underscores (_), and "+
					"optionally end with a star (*).", i, pattern)
		}
	}
	if err := k.expireAt(body); err != nil {
		return answer{}, err
	}
	defer c.lock()()
	if slices.ContainsFunc(c.s.keys, func(other *key) bool { return other.uid == k.uid }) {
		return answer{}, invalid(http.StatusConflict, "api_key_already_exists",
			"`uid` field value `%s` is already an existing API key.", k.uid)
	}
	c.s.keys = append(c.s.keys, k)
	return answer{http.StatusCreated, k.view()}, nil
}

func (k *key) expireAt(body *object) error {
	v, there := body.get("expiresAt")
	text, isText := v.(string)
	switch {
	case !there:
		return badRequest("missing_api_key_expires_at", "Missing field `expiresAt`")
	case v == nil:
		return nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if !isText || err != nil || at.Before(time.Now()) {
		return badRequest("invalid_api_key_expires_at",
			"Invalid value at `.expiresAt`: `%s` is not a valid date. It should follow the RFC 3339 format to represents "+
				"a date or datetime in the future or specified as a null value. "+
				"e.g. 'YYYY-MM-DD' or 'YYYY-MM-DD HH:MM:SS'.\n", text)
	}
	k.expires, k.expiresAs = at, text
	return nil
}
