package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"github.com/coagent-studio/coagent/app/merge"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// check returns an error for each sent member that is wrong. most is the largest
// content, in bytes.
func (c *ArtifactChange) check(most int) error {
	var errs []error
	if t := c.Title; t.Sent {
		switch {
		case t.Null:
			errs = append(errs, invalid("title", "must not be null, leave it out to keep what is stored"))
		case strings.TrimSpace(t.Value) == "":
			errs = append(errs, invalid("title", "must not be empty"))
		default:
			// Keep the blanks around the title: clients save while somebody types.
			errs = append(errs, text("title", t.Value, 1, maxTitle))
		}
	}
	if c.Content.Sent {
		content, err := artifactContent(c.Content.Value, most)
		c.Content.Value = json.RawMessage(content)
		errs = append(errs, err)
	}
	return firstOf(errors.Join(errs...))
}

// artifactContent checks a content and returns it without insignificant blanks.
func artifactContent(raw json.RawMessage, most int) (store.JSON, error) {
	if len(raw) > most {
		return "", contentTooLarge(len(raw), most)
	}
	content, err := boundedObject("content", raw, "", most, maxContentDepth)
	if err == nil && content == "" {
		err = invalid("content", "must not be null, leave it out to keep what is stored")
	}
	return content, err
}

func contentTooLarge(size, most int) error {
	return errorf(KindTooLarge, wording.TooLarge, "content: has %d bytes, at most %d are possible", size, most)
}

// apply applies a change that check has accepted to an artifact.
func (s *artifacts) apply(f *store.Artifact, c ArtifactChange) error {
	if c.Title.Sent {
		f.Title = c.Title.Value
	}
	if !c.Content.Sent {
		return nil
	}
	content := store.JSON(c.Content.Value)
	if f.Type == ArtifactTask && f.Content != "" {
		content = mergeContent(f.Content, content)
		if most := int(s.limits.ArtifactBytes); len(content) > most {
			return contentTooLarge(len(content), most)
		}
	}
	f.Content, f.ContentBytes = content, int64(len(content))
	return nil
}

// mergeContent merges the members of sent into the object stored. A member of both keeps
// its place and gets the new value; a new member is added at the end. For example, a
// client moves a card by sending only its new column.
func mergeContent(stored, sent store.JSON) store.JSON {
	members := membersOf(stored)
	place := make(map[string]int, len(members))
	for i, m := range members {
		place[m.Name] = i
	}
	for _, m := range membersOf(sent) {
		if i, known := place[m.Name]; known {
			members[i].Value = m.Value
			continue
		}
		place[m.Name] = len(members)
		members = append(members, m)
	}
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range members {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(string(store.ToJSON(m.Name)))
		b.WriteByte(':')
		b.Write(m.Value)
	}
	b.WriteByte('}')
	return store.JSON(b.String())
}

// membersOf returns the members of a valid JSON object in their order.
func membersOf(object store.JSON) []merge.Member { return merge.Members(string(object)) }
