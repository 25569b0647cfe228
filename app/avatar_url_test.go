package app_test

import (
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// The address of a picture is checked the same wherever one comes in.
func TestAvatarURL(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		admin, u := r.User(t, app.RoleAdmin, "Ada"), r.User(t, app.RoleStudent, "Sue")
		ctx := t.Context()
		for _, address := range []string{"javascript:alert(1)", "http://x.org/a.png", "data:image/png;base64,AA", "https://", "https://me:pw@x.org/a.png",
			"/static/avatars/" + store.NewID() + ".png", "//x.org/a.png", "a\x00b"} {
			_, err := r.CreateUser(ctx, admin, app.NewUser{Email: store.NewID() + "@x.org", AvatarURL: &address})
			refused(t, err, app.KindInvalid, "", "")
			for _, by := range []*app.Actor{admin, u} {
				_, err = r.UpdateUser(ctx, by, u.User.ID, app.UserChanges{AvatarURL: app.Some(address)})
				refused(t, err, app.KindInvalid, "", "")
			}
		}
		for _, address := range []string{"https://x.org/a.png", "", " "} {
			made, err := r.CreateUser(ctx, admin, app.NewUser{Email: store.NewID() + "@x.org", AvatarURL: &address})
			must(t, err)
			if (made.AvatarURL != nil) != (len(address) > 1) {
				t.Errorf("%q: stored %v", address, made.AvatarURL)
			}
		}
	})
}
