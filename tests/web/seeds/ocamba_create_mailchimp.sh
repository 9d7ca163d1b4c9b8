curl -X POST \
"https://api.ocamba.com/v1/hood/integrations" \
-H "Authorization: Bearer {TOKEN}" \
-H "Content-Type: application/json" \
-d '{
"name": "Example Mailchimp",
"provider_id": "1002",
"settings": {
"api_key": "md-c8XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
"default_sender_name": "Example Name",
"default_sender_email": "john.doe@example.com",
"default_reply_to_email": "john.doe@example.com"
},
"status": "active"
}'
