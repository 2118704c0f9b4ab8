-- What becomes of an edit whose writer had not seen everything, and what an agent may do with a block.

alter table blocks add column policies json not null
  default '{"rethink":"overwrite","replace":"text","anchor_lost":"end"}';
alter table blocks alter column policies drop default;

alter table attachments add column access_right text not null default 'edit'
  check (access_right in ('read', 'insert', 'edit'));
alter table attachments alter column access_right drop default;
