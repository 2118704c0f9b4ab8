-- What people and programs of the caller's say to tool calls that wait for it is a message too.
alter table messages drop constraint messages_role_check;
alter table messages add constraint messages_role_check
  check (role in ('system', 'user', 'assistant', 'tool', 'approval'));
