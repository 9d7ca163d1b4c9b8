curl -X POST \
"https://api.ocamba.com/v1/hood/integrations" \
-H "Authorization: Bearer {TOKEN}" \
-H "Content-Type: application/json" \
-d '{
"name": "Example SendGrid",
"provider_id": "1003",
"settings": {
"api_key": "SG.EKXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
"default_sender_name": "Example Name",
"default_sender_email": "john.doe@example.com",
"default_reply_to_email": "john.doe@example.com"
},
"status": "active"
}'
