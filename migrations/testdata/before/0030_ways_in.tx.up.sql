-- How somebody came into a course: taken in by staff, by a class list that made
-- the account, or by asking. Whoever was only taken in has not given the
-- course's staff a say over their account. The audit log knows it of those who
-- are there already: a list makes an account and enrols it in one request.
ALTER TABLE course_members ADD COLUMN via TEXT NOT NULL DEFAULT 'enrolled' CHECK (via IN ('enrolled', 'list', 'joined'));
UPDATE course_members SET via = 'joined' WHERE EXISTS (SELECT 1 FROM audit_log AS l
    WHERE l.actor_id = course_members.user_id AND l.action = 'course.join' AND l.target_id = course_members.course_id);
UPDATE course_members SET via = 'list' WHERE EXISTS (SELECT 1 FROM audit_log AS l
    JOIN audit_log AS placed ON placed.request_id = l.request_id AND placed.action = 'course.enrol_student'
    WHERE l.target_id = course_members.user_id AND l.action = 'user.create' AND placed.target_id = course_members.course_id);
