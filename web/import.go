package web

import (
	"context"
	"mime"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"github.com/coagent-studio/coagent/app"
)

const mimeCSV = "text/csv"

// importIn is a class list, as the body itself or as the part "file" of a form.
type importIn struct {
	CourseID id   `path:"course_id"`
	DryRun   bool `query:"dry_run" doc:"Only tell what would happen"`
	RawBody  []byte
	list     []byte
}

// Resolve finds the list.
func (in *importIn) Resolve(ctx huma.Context) []error {
	if bad := flagged(ctx, "dry_run"); bad != nil {
		return bad
	}
	kind, params, err := mime.ParseMediaType(ctx.Header(fiber.HeaderContentType))
	switch {
	case err == nil && kind == fiber.MIMEMultipartForm:
		var bad error
		if in.list, bad = filePart(in.RawBody, params["boundary"]); bad != nil {
			return []error{bad}
		}
	case err == nil && (kind == mimeCSV || kind == fiber.MIMETextPlain):
		in.list = in.RawBody
	default:
		return []error{&huma.ErrorDetail{Location: "body", Message: "must be text/csv, or a form with the list as its file"}}
	}
	return nil
}

// listForm describes the body. huma sees only bytes.
func listForm() *huma.RequestBody {
	form := fileForm("CSV with a header: email, full_name, username, role; an e-mail, a user name or a name is enough of each person")
	form.Content[mimeCSV] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}, Example: "email,full_name,username,role\nada@example.org,Ada Lovelace,ada,student\n"}
	return form
}

type importedOut struct {
	Line    int      `json:"line"`
	Email   string   `json:"email" doc:"As in the list"`
	Name    string   `json:"name,omitempty"`
	Login   string   `json:"username,omitempty" doc:"Made from the name where there is no e-mail"`
	Status  string   `json:"status" enum:"created,enrolled,already,error"`
	Message string   `json:"message"`
	Link    *linkOut `json:"link,omitempty" doc:"With it the person sets a password; shown this once"`
}

type importOut struct {
	Body struct {
		DryRun  bool          `json:"dry_run"`
		Created int           `json:"created"`
		Changed int           `json:"enrolled"`
		Already int           `json:"already"`
		Errors  int           `json:"errors"`
		Lines   []importedOut `json:"lines"`
	}
}

func (s *Server) importMembers(ctx context.Context, actor *app.Actor, in *importIn) (*importOut, error) {
	rows, err := s.app.ImportMembers(ctx, actor, in.CourseID.String(), in.list, in.DryRun)
	if err != nil {
		return nil, err
	}
	out := new(importOut)
	b := &out.Body
	b.DryRun = in.DryRun
	counts := map[string]*int{app.ImportCreated: &b.Created, app.ImportEnrolled: &b.Changed, app.ImportAlready: &b.Already, app.ImportError: &b.Errors}
	b.Lines = listOf(rows, func(r *app.Imported) importedOut {
		*counts[r.Status]++
		if r.Refusal != nil {
			r.Message = r.Refusal.In(requestOf(ctx).language())
		}
		return importedOut{Line: r.Line, Email: r.Email, Name: r.Name, Login: r.Username, Status: r.Status, Message: r.Message, Link: s.linkForm(r.Link)}
	})
	return out, nil
}
